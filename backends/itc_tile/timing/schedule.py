"""Modulo schedule of a stream of images: start of each kernel for each image, buffer depths, and the period.

Image i begins at i x `period`. A loop of n iterations divides the initiation interval of the frame around it into
shares g = interval / n. There are two cases:

- interleaved: an iteration takes k x g, where k is the smallest number coprime to n for which the carries are
  available. Iterations of all images then begin at different multiples of g, so that no kernel executes twice at once,
  and k images are in the loop at a time;
- alone, where g is at least the loop's minimum initiation interval: iterations do not overlap.

A buffer holds a value from the begin of its producer or transfer to the end of its last reader. Where this lifetime
exceeds the interval between values, the buffer is several values deep. The period is the smallest, in steps of 3 %, for
which all tiles have the memory; plans guarantee that for one image at a time.
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
from itc_tile.program.footprint import extra_value_bytes
from itc_tile.program.program import OUT, OperandTransfer, Pipeline
from itc_tile.tiling.sets import Ints
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.timeline import Frame, Timeline

Buffer = tuple[str, int]


class PipelineLayout(Timeline):
    """Layout in which all iterations are alike: of the branches of a `when`, the later one counts."""

    def __init__(self, exchange: Exchange, compute: Mapping[str, int]) -> None:
        super().__init__(exchange, compute)
        self.frames: dict[str, Frame] = {}
        self.alone = True
        self.residency = self.program.graph.residency
        whole = self.lay_out(0)
        self.min_interval = {var: frame.min_interval for var, frame in self.frames.items()}
        self.one_at_a_time = max(whole.min_interval, whole.makespan)
        self.defined = {name: var for var, frame in self.frames.items() for name in frame.ready}
        self.loop_of = {label: var for var, frame in self.frames.items() for label in frame.start}

    def lay_out(self, period: int) -> Frame:
        """The frames for a period; for period 0, those of an image alone in the machine."""
        self.frames, self.alone = {}, not period
        self.frames[""] = self.image(period)
        return self.frames[""]

    def transfer_latency(self, label: str, name: str, reach: Reach) -> int:  # noqa: ARG002  from wherever it comes
        return self.exchange.transfer_latencies.get(label, 0)

    def when(self, when: When, frame: Frame) -> None:
        within = frame.reach[when.var]
        parts = (within.intersection(when.iterations), within.difference(when.iterations))
        bodies = zip((when.body, when.otherwise), parts, strict=True)
        taken = [body for body, iterations in bodies if self.body(body, when.var, iterations, frame)]
        for position, result in enumerate(when.results):
            self.choice(result, max(frame.ready[body.yields[position].name] for body in taken), frame)

    def loop(self, loop: Loop, entry: int, frame: Frame) -> None:
        share, around = frame.initiation_interval // loop.count, self.alone
        self.alone = around or share >= self.min_interval[loop.var]
        inner = self.iteration_frame(loop, entry, frame, initiation_interval=0 if self.alone else share)
        if self.alone:
            inner.step = inner.initiation_interval = inner.min_interval
        else:
            needed = max([1, *(inner.ready[value.name] for value in loop.body.yields)])
            inner.step = share * coprime(-(-needed // share), loop.count)
        self.alone = around
        self.frames[loop.var] = inner
        for emit, values in loop.collected:
            for result, value in zip(values, emit.body.yields, strict=True):
                self.define(result, inner.last + inner.ready[value.name], frame)
        self.ended(loop, inner.last, inner, frame)

    def divisible(self, period: int) -> int:
        """The smallest period from this one on that all loops divide into whole cycles.

        It is at most that of one image at a time, where loops have no shares.
        """
        unit = lcm(*(prod(self.frames[var].count for var in frame.reach) for frame in self.frames.values()))
        return min(-(-period // unit) * unit, max(period, self.one_at_a_time))

    def execution_interval(self, label: str) -> int:
        """Minimum cycles between two executions of one replica of a kernel."""
        var = "".join(self.recurring_loop[label])
        frame = self.frames[var]
        return frame.initiation_interval * (
            self.reuse_distance[label] if frame.initiation_interval == frame.step else 1
        )

    def end(self, label: str, var: str) -> int:
        """End of a kernel's last execution in an iteration of loop `var` (or of the image)."""
        return self.begin(label) + self.compute[label] + self.outward(self.loop_of[label], var)

    def outward(self, var: str, to: str) -> int:
        """Begin of the last iteration of loop `var`, in the frame of the enclosing loop `to`."""
        time = 0
        while var != to:
            time += self.frames[var].last
            var = self.frames[var].around
        return time

    def begin(self, label: str) -> int:
        """Start of a kernel in an iteration of its innermost loop."""
        return self.frames[self.loop_of[label]].start[label]

    def taken_from(self, label: str) -> int:
        """Begin of the lifetime of a kernel's result: its start, or, for a copy, the begin of its input's transfer."""
        node = self.program.nodes[label]
        if not is_one_buffer(node.kernel, self.residency[label].inputs):
            return self.begin(label)
        return self.frames[self.loop_of[label]].ready[node.apply.values[0].name]


def coprime(least: int, number: int) -> int:
    """The smallest number >= `least` that is coprime to `number`."""
    return next(k for k in range(max(1, least), least + number + 2) if gcd(k, number) == 1)


@dataclass(frozen=True, eq=False)
class Schedule:
    """A pipeline layout with its period and the depth of each buffer, in values."""

    layout: PipelineLayout
    period: int
    depths: Mapping[Buffer, int]

    def start(self, label: str, iteration: Mapping[str, int], image: int = 0) -> int:
        """The cycle in which a kernel begins to compute, in these iterations of the enclosing loops."""
        at = self.layout.loop_of[label]
        return self.available(at, self.layout.begin(label), iteration, image)

    def outputs(self) -> dict[str, int]:
        """Cycles from the begin of an image to each of its outputs, by label."""
        net, frames = self.layout.program.net, self.layout.frames
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
            frame = self.layout.frames[var]
            time += frame.entry + (iteration[var] - 1) * frame.step
            var = frame.around
        return time + image * self.period


class Lifetimes:
    """Lifetimes of values under a layout: buffer depths, their memory, and its shortfall at a period."""

    def __init__(self, layout: PipelineLayout) -> None:
        self.layout = layout
        self.program = layout.program
        self.origins = [(edge, origin) for edge in self.program.edges for origin in self._origins(edge)]

    def _origins(self, edge: OperandTransfer) -> Iterator[Definition]:
        if edge.producer in self.program.placements:
            reach = self.program.nodes[edge.consumer].reach
            found = self.layout.reaching.definitions(edge.value, reach)
            yield from (origin for origin in found if origin.producer == edge.producer)

    def resource_bound(self) -> int:
        """Minimum period that the executions and transfers of each replica allow."""
        longest = 1
        for label, count in self.intervals_per_period.items():
            longest = max(
                longest, count * max(self.layout.compute[label], self.layout.exchange.transfer_latencies.get(label, 0))
            )
        for edge, _ in self.origins:
            longest = max(
                longest,
                self.intervals_per_period[edge.producer] * self.layout.exchange.transfer_latencies[edge.consumer],
            )
        return longest

    @cached_property
    def intervals_per_period(self) -> dict[str, int]:
        """For each kernel, by label, execution intervals in a period."""
        frames = self.layout.frames
        counts = {var: prod(frames[v].count for v in frame.reach) for var, frame in frames.items()}
        return {label: counts["".join(loops)] for label, loops in self.layout.recurring_loop.items()}

    def depths(self) -> dict[Buffer, int]:
        """For each operand and result, how many values are live at once."""
        lives = [*self._operands(), *self._results()]
        found: dict[Buffer, int] = {}
        for buffer, time, interval in lives:
            found[buffer] = max(found.get(buffer, 1), -(-time // interval))
        return found

    def _operands(self) -> Iterator[tuple[Buffer, int, int]]:
        """Operands, from the begin of their transfer to the end of the last execution that reads them."""
        frames = self.layout.frames
        for value, group in self.program.readers.items():
            var = self.layout.defined[value]
            for reader in group:
                label = reader.instance.label
                time = self.layout.end(label, var) - frames[var].ready[value]
                yield (
                    (label, reader.operand),
                    time,
                    max(frames[var].initiation_interval, self.layout.execution_interval(label)),
                )

    def _results(self) -> Iterator[tuple[Buffer, int, int]]:
        """Results, from the begin of their execution to the end of their last transfer."""
        for label in self.program.nodes:
            taken = self.layout.begin(label) + self.layout.compute[label] - self.layout.taken_from(label)
            yield (label, OUT), taken, self.layout.execution_interval(label)
        for edge, origin in self.origins:
            yield (edge.producer, OUT), *self._sending(edge, origin)

    def _sending(self, edge: OperandTransfer, origin: Definition) -> tuple[int, int]:
        """Lifetime of a result for one of its readers, and cycles to the next result."""
        frames, at = self.layout.frames, self.layout.defined[edge.value]
        time = frames[at].ready[edge.value] + self.layout.exchange.transfer_latencies[edge.consumer]
        interval = self.layout.execution_interval(edge.producer)
        for step, var in origin.steps:
            frame = frames[var]
            inside = step in ("first", "before", "element")
            time += self.layout.outward(at, var if inside else frame.around)
            if step == "before":
                time += frame.step
            elif step == "first":
                time += frame.entry
            elif step == "element":
                time += frame.last
            elif step == "last":
                time -= frame.last
            else:
                time, interval = time - frame.entry, frames[frame.around].initiation_interval
            at = var if step in ("before", "last", "series") else frame.around
        time += self.layout.outward(at, self.layout.loop_of[edge.producer])
        time -= self.layout.taken_from(edge.producer)
        rest = self._idle_cycles(edge.producer) if origin.steps and origin.steps[-1][0] == "last" else 0
        return time, max(interval, rest) if time <= rest else interval

    def _idle_cycles(self, label: str) -> int:
        """Cycles from the last iteration of a kernel's loop to its next execution; 0 where they are not known."""
        frame = self.layout.frames[self.layout.loop_of[label]]
        if (
            frame.initiation_interval != frame.step
            or self.layout.reuse_distance[label] != 1
            or self.layout.recurring_loop[label] != (frame.var,)
        ):
            return 0
        return self.layout.frames[frame.around].initiation_interval - (frame.count - 1) * frame.step

    def extra_bytes(self, depths: Mapping[Buffer, int]) -> dict[str, Ints]:
        """Bytes on each shard's tile for the values beside the first of each buffer."""
        found = {label: np.zeros(p.shards, np.int64) for label, p in self.program.placements.items()}
        for buffer, count in depths.items():
            if count > 1:
                found[buffer[0]] += (count - 1) * extra_value_bytes(self.program, *buffer)
        return found

    def memory_shortfall(self, period: int, free_memory: Mapping[str, Ints]) -> dict[str, float]:
        """Kernels, by label, whose tiles lack memory at a period: the buffering factor that they need.

        The factor is in multiples of the bytes of inputs and result.
        """
        self.layout.lay_out(self.layout.divisible(period))
        extra, found = self.extra_bytes(self.depths()), {}
        for label, bytes in extra.items():
            if (bytes > free_memory[label]).any():
                kernel, regions = self.program.nodes[label].kernel, self.program.regions[label]
                memory = kernel_memory(kernel, regions, self.layout.residency[label], self.program.machine)
                found[label] = float((bytes / np.maximum(memory[INPUTS] + memory[OUTPUT], 1)).max())
        return found


def replayed(exchange: Exchange, compute: Mapping[str, int], pipeline: Pipeline) -> Schedule:
    """The schedule of a program that has a pipeline."""
    layout = PipelineLayout(exchange, compute)
    layout.lay_out(pipeline.period)
    return Schedule(layout, pipeline.period, pipeline.depths)


def schedule(exchange: Exchange, compute: Mapping[str, int], free_memory: Mapping[str, Ints]) -> Schedule:
    """The schedule of the smallest period for which `free_memory`, bytes on each shard's tile, suffices."""
    layout = PipelineLayout(exchange, compute)
    lifetimes = Lifetimes(layout)
    target = lifetimes.resource_bound()
    while True:
        period = layout.divisible(min(target, layout.one_at_a_time))
        layout.lay_out(period)
        depths = lifetimes.depths()
        extra = lifetimes.extra_bytes(depths)
        if all((extra[label] <= free).all() for label, free in free_memory.items()):
            return Schedule(layout, period, depths)
        assert target < layout.one_at_a_time, "the program has no memory for one image at a time"
        target = target * 103 // 100 + 1
