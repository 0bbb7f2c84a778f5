"""The schedule of a stream of images: when each kernel runs for each image, and the shortest period between two images.

Image i begins at i x `period`. Within a loop of n iterations, with a spacing g = (spacing of the frame around) / n,
there are two ways:

- interleaved: an iteration takes k x g, where k is the least number, without common divisor with n, that gives the
  carries time to be there. Then the iterations of all images begin at different multiples of g: no kernel is ever asked
  for two things at once, and k images are in the loop at a time.
- alone, where g leaves time for it: an iteration takes what it needs for nothing to reach into the next.

Buffers hold a value from the begin of what makes or brings it to the end of what reads it. Where that is longer than
the time to the next value, several are kept side by side. The period is the shortest, in steps of 3 %, for which all
tiles have the memory for that; a program is planned so that with one image at a time they have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm, prod

import numpy as np

from itc.analysis.reach import Reach
from itc.ir.net import Loop, When
from itc_tile.cost.memory import INPUTS, OUTPUT, is_one_buffer, kernel_memory
from itc_tile.kernels.definitions import Definition
from itc_tile.program.footprint import waiting_bytes
from itc_tile.program.program import OUT, OperandTransfer, Pipeline
from itc_tile.tiling.sets import Ints
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.timeline import Frame, Timeline

Buffer = tuple[str, int]


class Stream(Timeline):
    """Layout in which all iterations are alike: both branches of a `when` count, whichever is later."""

    def __init__(self, exchange: Exchange, compute: Mapping[str, int]) -> None:
        super().__init__(exchange, compute)
        self.frames: dict[str, Frame] = {}
        self.alone = True
        self.keeping = self.program.graph.residency
        whole = self.lay(0)
        self.least = {var: frame.least for var, frame in self.frames.items()}
        self.one_at_a_time = max(whole.least, whole.span)
        self.defined = {name: var for var, frame in self.frames.items() for name in frame.ready}
        self.home = {label: var for var, frame in self.frames.items() for label in frame.start}

    def lay(self, period: int) -> Frame:
        """The frames for a period; for period 0, those of an image alone in the machine."""
        self.frames, self.alone = {}, not period
        self.frames[""] = self.image(period)
        return self.frames[""]

    def window(self, label: str, name: str, reach: Reach) -> int:  # noqa: ARG002  from wherever it comes
        return self.exchange.windows.get(label, 0)

    def when(self, when: When, frame: Frame) -> None:
        within = frame.reach[when.var]
        parts = (within.intersection(when.iterations), within.difference(when.iterations))
        bodies = zip((when.body, when.otherwise), parts, strict=True)
        taken = [body for body, iterations in bodies if self.body(body, when.var, iterations, frame)]
        for position, result in enumerate(when.results):
            self.choice(result, max(frame.ready[body.yields[position].name] for body in taken), frame)

    def loop(self, loop: Loop, entry: int, frame: Frame) -> None:
        share, around = frame.spacing // loop.count, self.alone
        self.alone = around or share >= self.least[loop.var]
        inner = self.inside(loop, entry, frame, spacing=0 if self.alone else share)
        if self.alone:
            inner.step = inner.spacing = inner.least
        else:
            needed = max([1, *(inner.ready[value.name] for value in loop.body.yields)])
            inner.step = share * coprime(-(-needed // share), loop.count)
        self.alone = around
        self.frames[loop.var] = inner
        for emit, values in loop.collected:
            for result, value in zip(values, emit.body.yields, strict=True):
                self.make(result, inner.last + inner.ready[value.name], frame)
        self.ended(loop, inner.last, inner, frame)

    def whole(self, period: int) -> int:
        """The least period from this one on whose shares for iterations are whole numbers of cycles.

        None is longer than with one image at a time, where no iteration has a share.
        """
        unit = lcm(*(prod(self.frames[var].count for var in frame.reach) for frame in self.frames.values()))
        return min(-(-period // unit) * unit, max(period, self.one_at_a_time))

    def spacing(self, label: str) -> int:
        """The least time between two runs of one copy of a kernel."""
        var = "".join(self.turn[label])
        frame = self.frames[var]
        return frame.spacing * (self.gap[label] if frame.spacing == frame.step else 1)

    def end(self, label: str, var: str) -> int:
        """When a kernel's last run in an iteration of loop `var` (or for the image) is over."""
        return self.begin(label) + self.compute[label] + self.outward(self.home[label], var)

    def outward(self, var: str, to: str) -> int:
        """How much later the last iteration of loop `var` begins than an iteration of loop `to` around it."""
        time = 0
        while var != to:
            time += self.frames[var].last
            var = self.frames[var].around
        return time

    def begin(self, label: str) -> int:
        """When a kernel starts in an iteration of the loop around it."""
        return self.frames[self.home[label]].start[label]

    def taken_from(self, label: str) -> int:
        """When a kernel's result begins to take its buffer: as it starts, or, for a copy, as its input comes."""
        node = self.program.nodes[label]
        if not is_one_buffer(node.kernel, self.keeping[label].inputs):
            return self.begin(label)
        return self.frames[self.home[label]].ready[node.apply.values[0].name]


def coprime(least: int, number: int) -> int:
    """The least number from `least` on that has no common divisor with `number`."""
    return next(k for k in range(max(1, least), least + number + 2) if gcd(k, number) == 1)


@dataclass(frozen=True, eq=False)
class Schedule:
    """A stream with its period; `slots` is how many values each buffer holds side by side."""

    stream: Stream
    period: int
    slots: Mapping[Buffer, int]

    def start(self, label: str, iteration: Mapping[str, int], image: int = 0) -> int:
        """The cycle in which a kernel begins to compute, in these iterations of the loops around it."""
        at = self.stream.home[label]
        return self.available(at, self.stream.begin(label), iteration, image)

    def outputs(self) -> dict[str, int]:
        """Cycles from the begin of an image to each of its outputs, by label."""
        net, frames = self.stream.program.net, self.stream.frames
        exits = {
            result.name: (loop.var, emit.iterations, frames[loop.var].ready[value.name])
            for loop in net.body
            if isinstance(loop, Loop)
            for emit, results in loop.collected
            for value, result in zip(emit.body.yields, results, strict=True)
        }
        out: dict[str, int] = {}
        for output in net.outputs:
            name = output.value.name
            if name in exits:
                var, iterations, ready = exits[name]
                times = [self.available(var, ready, {var: t}) for t in iterations]
            else:
                times = [frames[""].ready[name]]
            out |= zip(output.labels, times, strict=True)
        return out

    def available(self, var: str, time: int, iteration: Mapping[str, int], image: int = 0) -> int:
        """The cycle of a time in the frame of loop `var`, in these iterations."""
        while var:
            frame = self.stream.frames[var]
            time += frame.entry + (iteration[var] - 1) * frame.step
            var = frame.around
        return time + image * self.period


class Lifetimes:
    """How long buffers are taken under a layout, what that costs in memory, and whether a period can be kept."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.program = stream.program
        self.origins = [(edge, origin) for edge in self.program.edges for origin in self._origins(edge)]

    def _origins(self, edge: OperandTransfer) -> Iterator[Definition]:
        if edge.producer in self.program.placements:
            reach = self.program.nodes[edge.consumer].reach
            found = self.stream.bindings.definitions(edge.value, reach)
            yield from (origin for origin in found if origin.producer == edge.producer)

    def shortest(self) -> int:
        """The least period that could do: nothing is asked for two things at once."""
        longest = 1
        for label, turns in self.turns.items():
            longest = max(longest, turns * max(self.stream.compute[label], self.stream.exchange.windows.get(label, 0)))
        for edge, _ in self.origins:
            longest = max(longest, self.turns[edge.producer] * self.stream.exchange.windows[edge.consumer])
        return longest

    @cached_property
    def turns(self) -> dict[str, int]:
        """How many times the spacing of each kernel goes into the period."""
        frames = self.stream.frames
        counts = {var: prod(frames[v].count for v in frame.reach) for var, frame in frames.items()}
        return {label: counts["".join(turn)] for label, turn in self.stream.turn.items()}

    def slots(self) -> dict[Buffer, int]:
        """For each operand and result, how many values are held at once."""
        lives = [*self._operands(), *self._results()]
        found: dict[Buffer, int] = {}
        for buffer, time, spacing in lives:
            found[buffer] = max(found.get(buffer, 1), -(-time // spacing))
        return found

    def _operands(self) -> Iterator[tuple[Buffer, int, int]]:
        """Operands from their begin to the end of the last run that reads them."""
        frames = self.stream.frames
        for value, group in self.program.readers.items():
            var = self.stream.defined[value]
            for reader in group:
                label = reader.instance.label
                time = self.stream.end(label, var) - frames[var].ready[value]
                yield (label, reader.operand), time, max(frames[var].spacing, self.stream.spacing(label))

    def _results(self) -> Iterator[tuple[Buffer, int, int]]:
        """Results from the begin of their run to the end of the last window in which they are sent."""
        for label in self.program.nodes:
            taken = self.stream.begin(label) + self.stream.compute[label] - self.stream.taken_from(label)
            yield (label, OUT), taken, self.stream.spacing(label)
        for edge, origin in self.origins:
            yield (edge.producer, OUT), *self._sending(edge, origin)

    def _sending(self, edge: OperandTransfer, origin: Definition) -> tuple[int, int]:
        """How long a result waits for one of its readers, and how long for the next to come."""
        frames, at = self.stream.frames, self.stream.defined[edge.value]
        time = frames[at].ready[edge.value] + self.stream.exchange.windows[edge.consumer]
        spacing = self.stream.spacing(edge.producer)
        for step, var in origin.steps:
            frame = frames[var]
            inside = step in ("first", "before", "element")
            time += self.stream.outward(at, var if inside else frame.around)
            if step == "before":
                time += frame.step
            elif step == "first":
                time += frame.entry
            elif step == "element":
                time += frame.last
            elif step == "last":
                time -= frame.last
            else:
                time, spacing = time - frame.entry, frames[frame.around].spacing
            at = var if step in ("before", "last", "series") else frame.around
        time += self.stream.outward(at, self.stream.home[edge.producer])
        time -= self.stream.taken_from(edge.producer)
        rest = self._rest(edge.producer) if origin.steps and origin.steps[-1][0] == "last" else 0
        return time, max(spacing, rest) if time <= rest else spacing

    def _rest(self, label: str) -> int:
        """How long a kernel rests after the last iteration of its loop until it runs again; 0 where nobody can tell."""
        frame = self.stream.frames[self.stream.home[label]]
        if frame.spacing != frame.step or self.stream.gap[label] != 1 or self.stream.turn[label] != (frame.var,):
            return 0
        return self.stream.frames[frame.around].spacing - (frame.count - 1) * frame.step

    def extra(self, slots: Mapping[Buffer, int]) -> dict[str, Ints]:
        """Bytes on each shard's tile for the values beside the first in each buffer."""
        found = {label: np.zeros(p.shards, np.int64) for label, p in self.program.placements.items()}
        for buffer, count in slots.items():
            if count > 1:
                found[buffer[0]] += (count - 1) * waiting_bytes(self.program, *buffer)
        return found

    def wanting(self, period: int, room: Mapping[str, Ints]) -> dict[str, float]:
        """The kernels whose tiles lack room for a period, and how much they need in multiples of what they hold."""
        self.stream.lay(self.stream.whole(period))
        extra, found = self.extra(self.slots()), {}
        for label, bytes in extra.items():
            if (bytes > room[label]).any():
                kernel, regions = self.program.nodes[label].kernel, self.program.regions[label]
                memory = kernel_memory(kernel, regions, self.stream.keeping[label], self.program.machine)
                found[label] = float((bytes / np.maximum(memory[INPUTS] + memory[OUTPUT], 1)).max())
        return found


def replayed(exchange: Exchange, compute: Mapping[str, int], pipeline: Pipeline) -> Schedule:
    """The schedule of a program that has a pipeline."""
    stream = Stream(exchange, compute)
    stream.lay(pipeline.period)
    return Schedule(stream, pipeline.period, pipeline.depths)


def schedule(exchange: Exchange, compute: Mapping[str, int], room: Mapping[str, Ints]) -> Schedule:
    """The shortest schedule for which `room`, bytes free on each shard's tile, is enough."""
    stream = Stream(exchange, compute)
    lifetimes = Lifetimes(stream)
    least = lifetimes.shortest()
    while True:
        period = stream.whole(min(least, stream.one_at_a_time))
        stream.lay(period)
        slots = lifetimes.slots()
        extra = lifetimes.extra(slots)
        if all((extra[label] <= free).all() for label, free in room.items()):
            return Schedule(stream, period, slots)
        assert least < stream.one_at_a_time, "the program has no room for one image at a time"
        least = least * 103 // 100 + 1
