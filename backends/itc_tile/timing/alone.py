"""One image alone in a machine: its iterations one after the other, each with its own branches and exits.

A loop is cut into segments of iterations that take the same branches, a segment into groups that have the same exits.
A group is laid out once, so that the time this takes does not grow with the loop; iterations of one group take the same
time. An exit's head may still run while later iterations do, until its next input comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from itc.analysis.depth import Segment, segments
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Emit, Loop, Value, When
from itc_tile.kernels.kernel import Kernel
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.timeline import Frame, Timeline


@dataclass(frozen=True)
class Run:
    """An execution of a kernel: operands arrive from `begin` on, and all readers have the result at `sent`.

    The replica executes again `reuse_distance` iterations later at the earliest.
    """

    reuse_distance: int
    begin: int
    start: int
    end: int
    sent: int


@dataclass
class Group:
    """Iterations of a segment that have the same exits, the frame of each, and runs that may outlast an iteration."""

    iterations: IterationSet
    frame: Frame
    runs: dict[str, Run]

    @property
    def last(self) -> int:
        return self.iterations.last


def set_steps(groups: list[Group]) -> None:
    """Sets the step of each group: no execution overlaps the next one of the same replica."""
    shortest = min(group.frame.min_interval for group in groups)
    begin, start = dict[str, int](), dict[str, int]()
    for label, run in ((label, run) for group in groups for label, run in group.runs.items()):
        begin[label] = min(run.begin, begin.get(label, run.begin))
        start[label] = min(run.start, start.get(label, run.start))
    for group in groups:
        step = group.frame.min_interval
        for label, run in group.runs.items():
            busy = max(run.end - begin[label], run.sent - start[label])
            step = max(step, busy - (run.reuse_distance - 1) * shortest)
        group.frame.step = step


@dataclass(frozen=True)
class PlacedSegment:
    """A segment of a loop with its `begin` in the frame around."""

    groups: list[Group]
    begin: int

    def at(self, iteration: int) -> int:
        """Begin of an iteration; for the one behind the last, the end of the segment."""
        return self.begin + sum(group.frame.step * group.iterations.count_until(iteration - 1) for group in self.groups)

    def exits(self, emit: Emit, value: Value) -> Iterator[tuple[int, int]]:
        """The iterations that have an exit, and the cycle in which its value is available."""
        for group in self.groups:
            if group.last in emit.iterations:
                yield from ((t, self.at(t) + group.frame.ready[value.name]) for t in group.iterations)


class Alone(Timeline):
    """The layout of one image alone."""

    def __init__(self, exchange: Exchange, compute: Mapping[str, int]) -> None:
        super().__init__(exchange, compute)
        self.iteration: dict[str, int] = {}
        self.makespan = 0
        self.exiting = False
        self.runs: dict[str, Run] = {}

    def outputs(self) -> dict[str, int]:
        """Cycles from the begin of an image to each output, by label."""
        frame = self.image()
        self.makespan = frame.makespan
        out: dict[str, int] = {}
        for output in self.program.net.outputs:
            name = output.value.name
            times = frame.series[name] if name in frame.series else [frame.ready[name]]
            out |= zip(output.labels, times, strict=True)
        return out

    def when(self, when: When, frame: Frame) -> None:
        taken = self.iteration[when.var] in when.iterations
        body = when.body if taken else when.otherwise
        within = frame.reach[when.var]
        chosen = within.intersection(when.iterations) if taken else within.difference(when.iterations)
        self.body(body, when.var, chosen, frame)
        for result, value in zip(when.results, body.yields, strict=True):
            self.choice(result, frame.ready[value.name], frame)

    def emit(self, emit: Emit, frame: Frame) -> None:
        around, self.exiting = self.exiting, True
        super().emit(emit, frame)
        self.exiting = around

    def run(self, apply: Apply, begin: int, end: int, frame: Frame) -> None:
        """Heads of exits may overlap later iterations, as may replicas that do not execute in the next one."""
        assert isinstance(apply.op, Kernel), apply
        label = apply.op.label
        recurs = frame.var in self.recurring_loop[label]
        distance = self.reuse_distance[label]
        if recurs and self.exiting:
            distance = self.program.nodes[label].distance_within(frame.var, self.counts[frame.var])
            self.define(apply.result, end, frame, recurs=False)
        else:
            super().run(apply, begin, end, frame)
        if recurs and (self.exiting or distance > 1):
            sent = end + self.send_latency(apply.result.name, frame.reach)
            self.runs[label] = Run(distance, begin, frame.start[label], end, sent)

    def loop(self, loop: Loop, entry: int, frame: Frame) -> None:
        around = self.exiting, self.runs
        self.exiting = False
        parts = [self.groups(loop, segment, entry, frame) for segment in segments(loop)]
        self.exiting, self.runs = around
        set_steps([group for groups in parts for group in groups])
        placed: list[PlacedSegment] = []
        for groups in parts:
            placed.append(PlacedSegment(groups, entry))
            entry = placed[-1].at(max(group.last for group in groups) + 1)
        self.collect(loop, placed, frame)
        for segment in placed:
            for group in segment.groups:
                frame.until(segment.at(group.last) + max(group.frame.makespan, group.frame.step))
        final = max(placed[-1].groups, key=lambda group: group.last)
        self.ended(loop, placed[-1].at(final.last), final.frame, frame)

    def groups(self, loop: Loop, segment: Segment, entry: int, frame: Frame) -> list[Group]:
        """The iterations of a segment by their exits, each laid out except for its step."""
        groups = []
        for iterations in by_exits(loop, IterationSet.span(segment.first, segment.last)):
            self.iteration[loop.var] = segment.first
            self.runs = {}
            groups.append(Group(iterations, self.iteration_frame(loop, entry, frame, iterations), self.runs))
        return groups

    def collect(self, loop: Loop, placed: list[PlacedSegment], frame: Frame) -> None:
        """The series of a loop: when each element and the whole are available."""
        for emit, results in loop.collected:
            for result, value in zip(results, emit.body.yields, strict=True):
                times = sorted(exit for segment in placed for exit in segment.exits(emit, value))
                frame.series[result.name] = [time for _, time in times]
                self.define(result, max(frame.series[result.name]), frame)


def by_exits(loop: Loop, iterations: IterationSet) -> list[IterationSet]:
    """Iterations of a loop, parted into those that have the same exits."""
    parts = [iterations]
    for exits in dict.fromkeys(emit.iterations for emit in loop.emits):
        halves = ((part.intersection(exits), part.difference(exits)) for part in parts)
        parts = [half for pair in halves for half in pair if half.runs]
    return parts
