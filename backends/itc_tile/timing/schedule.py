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
from math import lcm, prod

import numpy as np

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc.ir.net import Loop, When
from itc_tile.cost.memory import INPUTS, OUTPUT, is_one_buffer, kernel_memory
from itc_tile.kernels.definitions import Definition
from itc_tile.kernels.instances import KernelInstance
from itc_tile.program.footprint import extra_value_bytes
from itc_tile.program.program import OUT, OperandTransfer, Pipeline
from itc_tile.tiling.sets import Ints
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.spacing import Occupation, circular_gap, coprime, replica_iterations, smallest_gap, widest_gap
from itc_tile.timing.timeline import Frame, Timeline

Buffer = tuple[str, int]
MOST_FACTORS = 64  # numbers of shares that are tried for an iteration of an interleaved loop


class PipelineLayout(Timeline):
    """Layout in which all iterations are alike: of the branches of a `when`, the later one counts."""

    def __init__(self, exchange: Exchange, compute: Mapping[str, int]) -> None:
        super().__init__(exchange, compute)
        self.frames: dict[str, Frame] = {}
        self.alone = True
        self.intervals: dict[str, int] = {}
        self.partial: dict[str, list[Occupation]] = {}
        self.residency = self.program.graph.residency
        whole = self.lay_out(0)
        self.min_interval = {var: frame.min_interval for var, frame in self.frames.items()}
        self.one_at_a_time = max(whole.min_interval, whole.makespan)
        self.defined = {name: var for var, frame in self.frames.items() for name in frame.ready}
        self.loop_of = {label: var for var, frame in self.frames.items() for label in frame.start}
        self.occupations = [*self._executing(), *self._receiving(), *self._sending()]
        for each in self.occupations:
            if each.var and len(each.iterations) < self.counts[each.var]:
                self.partial.setdefault(each.var, []).append(each)

    def lay_out(self, period: int) -> Frame:
        """The frames for a period; for period 0, those of an image alone in the machine."""
        self.frames, self.alone, self.intervals = {}, not period, {}
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
            inner.step = share * self.interleaving(loop.var, -(-needed // share), share)
        self.alone = around
        self.frames[loop.var] = inner
        for emit, values in loop.collected:
            for result, value in zip(values, emit.body.yields, strict=True):
                self.define(result, inner.last + inner.ready[value.name], frame)
        self.ended(loop, inner.last, inner, frame)

    def interleaving(self, var: str, least: int, share: int) -> int:
        """The smallest number of shares of an iteration that is coprime to a loop's count.

        Of the first ones, the smallest that keeps apart what happens in some iterations alone.
        """
        count = self.counts[var]
        first = factor = coprime(least, count)
        while factor < first + min(2 * count, MOST_FACTORS):
            partial = self.partial.get(var, [])
            if all(each.cycles <= share * circular_gap(each.iterations, factor, count) for each in partial):
                return factor
            factor = coprime(factor + 1, count)
        return first

    def divisible(self, period: int) -> int:
        """The smallest period from this one on that all loops divide into whole cycles.

        It is at most that of one image at a time, where loops have no shares.
        """
        unit = lcm(*(prod(self.frames[var].count for var in frame.reach) for frame in self.frames.values()))
        return min(-(-period // unit) * unit, max(period, self.one_at_a_time))

    def execution_interval(self, label: str) -> int:
        """Minimum cycles between two executions of one replica of a kernel."""
        if label not in self.intervals:
            self.intervals[label] = min(self.spacing(*each) for each in self.replica_iterations[label])
        return self.intervals[label]

    @cached_property
    def replica_iterations(self) -> dict[str, list[tuple[str, IterationSet]]]:
        """For each kernel its recurring loop, if any, and the iterations in which each replica executes there."""
        return {label: list(replica_iterations(node)) for label, node in self.program.nodes.items()}

    def spacing(self, var: str, iterations: IterationSet) -> int:
        """Minimum cycles between two of these iterations of a loop, of one image or of several."""
        frame = self.frames[var]
        if not var:
            return frame.initiation_interval
        around = self.frames[frame.around].initiation_interval
        if len(iterations) == 1:
            return max(around, frame.initiation_interval)
        if frame.initiation_interval == frame.step:
            behind = around - (iterations.last - iterations.first) * frame.step
            return max(frame.step, min(smallest_gap(iterations) * frame.step, behind))
        return frame.initiation_interval * circular_gap(
            iterations, frame.step // frame.initiation_interval, frame.count
        )

    def _executing(self) -> Iterator[Occupation]:
        for label, replicas in self.replica_iterations.items():
            yield from (Occupation(*each, self.compute[label], label) for each in replicas)

    def _receiving(self) -> Iterator[Occupation]:
        for value, group in self.program.readers.items():
            for reader in group:
                label, iterations = reader.instance.label, self.sends(value, reader.instance)
                latency = self.exchange.transfer_latencies.get(label, 0)
                yield Occupation(self.defined[value], iterations, latency, label, True, label)

    def _sending(self) -> Iterator[Occupation]:
        for edge, origin in self.origins:
            var, latency = self.defined[edge.value], self.exchange.transfer_latencies[edge.consumer]
            iterations = self.sends(edge.value, self.program.nodes[edge.consumer])
            if ("first", var) in origin.steps[:1]:
                iterations = IterationSet.span(1, 1)
            walked = any(step == "element" for step, _ in origin.steps)
            yield Occupation(var, iterations, latency, edge.consumer, True, "" if walked else edge.producer)

    def sends(self, value: str, reader: KernelInstance) -> IterationSet:
        """The iterations, of the loop in which a value is defined, in which a kernel receives it."""
        return reader.reach.get(self.defined[value], IterationSet.span(1, 1))

    @cached_property
    def origins(self) -> list[tuple[OperandTransfer, Definition]]:
        """Every transfer between kernels with each definition that it brings."""
        return [(edge, origin) for edge in self.program.edges for origin in self._origins(edge)]

    def _origins(self, edge: OperandTransfer) -> Iterator[Definition]:
        if edge.producer in self.program.placements:
            reach = self.program.nodes[edge.consumer].reach
            found = self.reaching.definitions(edge.value, reach)
            yield from (origin for origin in found if origin.producer == edge.producer)

    def is_free_in_time(self) -> bool:
        """Whether each execution and transfer ends before the next one of the same tiles or ports begins."""
        return all(each.cycles <= self._interval(each) for each in self.occupations)

    def _interval(self, each: Occupation) -> int:
        interval = self.spacing(each.var, each.iterations)
        return max(interval, self.execution_interval(each.replica)) if each.replica else interval

    def resource_bound(self) -> int:
        """Minimum period that the executions and transfers of each replica allow."""
        return max([1, *(self.least_period(each) for each in self.occupations)])

    def least_period(self, each: Occupation) -> int:
        """The period below which a replica would be asked for two executions or transfers at once."""
        period = self._occupied(each.cycles, each.var, each.iterations)
        if not each.replica:
            return period
        own = (self._occupied(each.cycles, *replica) for replica in self.replica_iterations[each.replica])
        return min(period, max(own))

    def _occupied(self, cycles: int, var: str, iterations: IterationSet) -> int:
        if not var:
            return cycles
        outer = prod(self.counts[v] for v in self.frames[var].reach)
        return -(-cycles * outer // widest_gap(iterations, self.counts[var]))

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
        self.slots: dict[Buffer, Ints] = {}

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
                interval = self.layout.spacing(var, self.layout.sends(value, reader.instance))
                yield (label, reader.operand), time, max(interval, self.layout.execution_interval(label))

    def _results(self) -> Iterator[tuple[Buffer, int, int]]:
        """Results, from the begin of their execution to the end of their last transfer."""
        for label in self.program.nodes:
            taken = self.layout.begin(label) + self.layout.compute[label] - self.layout.taken_from(label)
            yield (label, OUT), taken, self.layout.execution_interval(label)
        for edge, origin in self.layout.origins:
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
                found[buffer[0]] += (count - 1) * self._extra_value_bytes(buffer)
        return found

    def _extra_value_bytes(self, buffer: Buffer) -> Ints:
        if buffer not in self.slots:
            self.slots[buffer] = extra_value_bytes(self.program, *buffer)
        return self.slots[buffer]

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


def schedule(layout: PipelineLayout, free_memory: Mapping[str, Ints]) -> Schedule:
    """The schedule of the smallest period for which `free_memory`, bytes on each shard's tile, suffices."""
    lifetimes = Lifetimes(layout)
    target = layout.resource_bound()
    while True:
        period = layout.divisible(min(target, layout.one_at_a_time))
        layout.lay_out(period)
        if layout.is_free_in_time():
            depths = lifetimes.depths()
            extra = lifetimes.extra_bytes(depths)
            if all((extra[label] <= free).all() for label, free in free_memory.items()):
                return Schedule(layout, period, depths)
        assert target < layout.one_at_a_time, "the program has no memory for one image at a time"
        target = target * 103 // 100 + 1
