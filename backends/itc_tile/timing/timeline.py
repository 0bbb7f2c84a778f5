"""Laying a program out in time: when each kernel starts in an iteration, and how long an iteration takes.

Times stand in frames: that of the whole image, and one for each loop, whose time 0 is the begin of an iteration. A
value is pushed to all its readers when it becomes available: when it is made, or as the iteration begins in which it
is a carry or an element; readers that do not run in an iteration get nothing in it. A kernel starts when the windows
of all its operands are over (see `exchange`), and not before what its tiles hold of the iteration before has been
pushed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Body, Emit, Loop, Statement, Value, When, applies, walk
from itc.ir.uses import data_operands
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.steps import ExchangeStep
from itc_tile.timing.exchange import Exchange


@dataclass
class Frame:
    """One loop (or the image, where `var` is empty): times of values and kernels from the begin of an iteration.

    `entry` is when the loop begins, in the frame around; `step` is the time of an iteration, `span` that in which all
    of one is over, and `least` the step with which nothing of an iteration meets the next on the same tiles. `spacing`
    is the time between iterations of whatever images: `step`, if they are of one.
    """

    var: str = ""
    count: int = 1
    entry: int = 0
    step: int = 0
    span: int = 0
    least: int = 1
    spacing: int = 0
    reach: Reach = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    series: dict[str, list[int]] = field(default_factory=dict)
    start: dict[str, int] = field(default_factory=dict)
    hold: dict[str, int] = field(default_factory=dict)

    @property
    def around(self) -> str:
        """The variable of the loop around this one; empty for the image."""
        variables = ["", *self.reach]
        return variables[variables.index(self.var) - 1]

    @property
    def last(self) -> int:
        """When the last iteration begins, in the frame around."""
        return self.entry + (self.count - 1) * self.step

    def at_least(self, time: int) -> None:
        self.least = max(self.least, time)

    def until(self, time: int) -> None:
        self.span = max(self.span, time)


class Timeline(ABC):
    """What layouts have in common; how loops repeat and which branches are taken is for the kinds below it."""

    def __init__(self, exchange: Exchange, compute: Mapping[str, int]) -> None:
        """`compute` has the cycles of each kernel's fullest tile."""
        self.program = exchange.program
        self.exchange = exchange
        self.compute = compute
        self.bindings = self.program.graph.reaching
        self.turn = {label: node.recurring_loops[-1:] for label, node in self.program.nodes.items()}
        self.counts = {var: loop.count for var, loop in self.program.graph.loops.items()}
        self.gap = self.program.graph.reuse_distance

    @abstractmethod
    def loop(self, loop: Loop, entry: int, frame: Frame) -> None:
        """Lays out a loop that begins at `entry`."""

    @abstractmethod
    def when(self, when: When, frame: Frame) -> None:
        """Lays out the branches that are taken."""

    def push(self, name: str, reach: Reach) -> int:
        """Cycles until the last of the readers that run in some iterations has a value."""
        readers = (reader.instance for reader in self.program.readers.get(name, []))
        running = (node for node in readers if all(node.reach[var].intersects(over) for var, over in reach.items()))
        return max((self.exchange.windows.get(node.label, 0) for node in running), default=0)

    def window(self, label: str, name: str, reach: Reach) -> int:
        """Cycles in which a kernel takes in value `name` in some iterations; none where it reads padding alone."""
        if label not in self.exchange.windows:
            return 0
        return self.exchange.window(label, self.bindings.producers(name, reach))

    def image(self, spacing: int = 0) -> Frame:
        """The frame of a whole image, laid out."""
        frame = Frame(spacing=spacing)
        for value in self.program.net.inputs:
            self.make(value, 0, frame)
        self.statements(self.program.steps, frame)
        return frame

    def statements(self, statements: tuple[Statement, ...], frame: Frame) -> None:
        for statement in statements:
            match statement:
                case Apply(op=ExchangeStep()):
                    pass  # its time is part of the definition before it, see `push`
                case Apply():
                    self.apply(statement, frame)
                case Loop():
                    self.loop(statement, self.entry(statement, frame), frame)
                case When():
                    self.when(statement, frame)
                case Emit():
                    self.emit(statement, frame)

    def emit(self, emit: Emit, frame: Frame) -> None:
        self.body(emit.body, emit.var, frame.reach[emit.var].intersection(emit.iterations), frame)

    def body(self, body: Body, var: str, iterations: IterationSet, frame: Frame) -> bool:
        """Lays out a branch or an emit, if any iteration takes it."""
        around = frame.reach
        frame.reach = {**around, var: iterations}
        if iterations.runs:
            self.statements(body.statements, frame)
        frame.reach = around
        return bool(iterations.runs)

    def apply(self, apply: Apply, frame: Frame) -> None:
        assert isinstance(apply.op, Kernel), apply
        label = apply.op.label
        read = [value.name for value in data_operands(apply) if value.name in frame.ready]
        available = [frame.ready[name] for name in read]
        begun = [frame.ready[name] + self.window(label, name, frame.reach) for name in read]
        start = max([*begun, frame.hold.get(label, 0)])
        end = start + self.compute[label]
        frame.start[label] = start
        self.run(apply, min(available, default=start), end, frame)

    def run(self, apply: Apply, begin: int, end: int, frame: Frame) -> None:
        """A kernel's operands arrive from `begin` on, its result is there at `end`; the copy may have to run again."""
        assert isinstance(apply.op, Kernel), apply
        label = apply.op.label
        again = frame.var in self.turn[label]
        self.make(apply.result, end, frame, again)
        if again:
            gap = self.gap[label]
            frame.at_least(end if gap == 1 else -(-(end - begin) // gap))

    def make(self, value: Value, time: int, frame: Frame, again: bool = True) -> None:
        """A value becomes available, and goes to its readers: before the next, if its tiles make it `again`."""
        frame.ready[value.name] = time
        sent = time + self.push(value.name, frame.reach)
        frame.until(sent)
        if again:
            frame.at_least(sent)

    def choice(self, result: Value, time: int, frame: Frame) -> None:
        """The result of a branch becomes available."""
        makers = self.bindings.producers(result.name, frame.reach)
        self.make(result, time, frame, any(frame.var in self.turn.get(maker, ()) for maker in makers))

    def entry(self, loop: Loop, frame: Frame) -> int:
        """When a loop can begin: all that it reads is there, and what its kernels hold has been pushed."""
        begin = [
            frame.ready[value.name]
            for inner in walk((loop,))
            if isinstance(inner, Loop)
            for value in (*(carry.init for carry in inner.carries), *(each.series for each in inner.each))
            if value.name in frame.ready
        ]
        for apply in applies(loop.body.statements):
            read = [value.name for value in data_operands(apply) if value.name in frame.ready]
            begin += [frame.ready[name] + self.push(name, frame.reach) for name in read]
            begin += [frame.hold.get(apply.op.label, 0)] if isinstance(apply.op, Kernel) else []
        return max(begin, default=0)

    def inside(
        self, loop: Loop, entry: int, frame: Frame, iterations: IterationSet | None = None, spacing: int = 0
    ) -> Frame:
        """The frame of a loop's iterations, all or some, laid out but for its step."""
        reach = {**frame.reach, loop.var: iterations or loop.iterations}
        inner = Frame(loop.var, loop.count, entry, spacing=spacing, reach=reach)
        for value in (*(carry.inner for carry in loop.carries), *(each.inner for each in loop.each)):
            self.make(value, 0, inner)
        for carry, following in zip(loop.carries, loop.body.yields, strict=True):
            for label in self.bindings.producers(following.name, inner.reach):
                inner.hold[label] = max(inner.hold.get(label, 0), self.push(carry.inner.name, inner.reach))
        self.statements(loop.body.statements, inner)
        inner.at_least(max((inner.ready[value.name] for value in loop.body.yields), default=0))
        return inner

    def ended(self, loop: Loop, last: int, inner: Frame, frame: Frame) -> None:
        """The carries' results of a loop whose last iteration begins at `last`; in a loop around, all of it is over."""
        for result, value in zip(loop.carry_results, loop.body.yields, strict=True):
            self.make(result, last + inner.ready[value.name], frame)
        frame.until(last + max(inner.span, inner.step))
        if frame.var:
            frame.at_least(frame.span)
