"""Layout of a program in time: the start of each kernel in an iteration, and the cycles of an iteration.

Times are relative to frames: that of the image, and one for each loop, whose time 0 is the begin of an iteration. A
value is sent to all its readers when it becomes available: when it is computed, or at the begin of the iteration in
which it is a carry or an element. Readers that do not execute in an iteration receive nothing in it. A kernel starts
when all its operands have arrived (see `exchange`) and the carries that it overwrites have been sent: an
anti-dependence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Body, Emit, Loop, Statement, Value, When, applies, walk
from itc.ir.uses import data_operands
from itc_tile.kernels.instances import KernelInstance
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.steps import ExchangeStep
from itc_tile.timing.exchange import Exchange


@dataclass
class Frame:
    """One loop (or the image, where `var` is empty): times of values and kernels from the begin of an iteration.

    `entry` is the begin of the loop in the frame around. `step` are the cycles from one iteration of an image to its
    next, and `makespan` those from the begin of an iteration to the end of all that it starts. `min_interval` is the
    minimum initiation interval of the loop, and `initiation_interval` the one chosen, between iterations of any images:
    `step` where iterations do not interleave. `anti_dependence` bounds the start of kernels that overwrite carries.
    """

    var: str = ""
    count: int = 1
    entry: int = 0
    step: int = 0
    makespan: int = 0
    min_interval: int = 1
    initiation_interval: int = 0
    reach: Reach = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    series: dict[str, list[int]] = field(default_factory=dict)
    start: dict[str, int] = field(default_factory=dict)
    anti_dependence: dict[str, int] = field(default_factory=dict)

    @property
    def around(self) -> str:
        """The variable of the loop around this one; empty for the image."""
        variables = ["", *self.reach]
        return variables[variables.index(self.var) - 1]

    @property
    def last(self) -> int:
        """When the last iteration begins, in the frame around."""
        return self.entry + (self.count - 1) * self.step

    def bound_interval(self, time: int) -> None:
        self.min_interval = max(self.min_interval, time)

    def until(self, time: int) -> None:
        self.makespan = max(self.makespan, time)


class Timeline(ABC):
    """Common part of layouts; subclasses decide how loops repeat and which branches are taken."""

    def __init__(self, exchange: Exchange, compute: Mapping[str, int]) -> None:
        """`compute` has the cycles of each kernel's fullest tile."""
        self.program = exchange.program
        self.exchange = exchange
        self.compute = compute
        self.reaching = self.program.graph.reaching
        self.recurring_loop = {label: node.recurring_loops[-1:] for label, node in self.program.nodes.items()}
        self.counts = {var: loop.count for var, loop in self.program.graph.loops.items()}
        self.reuse_distance = self.program.graph.reuse_distance
        self.receiving: dict[str, list[tuple[KernelInstance, int]]] = {}

    @abstractmethod
    def loop(self, loop: Loop, entry: int, frame: Frame) -> None:
        """Lays out a loop that begins at `entry`."""

    @abstractmethod
    def when(self, when: When, frame: Frame) -> None:
        """Lays out the branches that are taken."""

    def send_latency(self, name: str, reach: Reach) -> int:
        """Cycles until the last reader that executes in some iterations has a value."""
        return max((latency for node, latency in self._readers(name) if executes(node, reach)), default=0)

    def _readers(self, name: str) -> list[tuple[KernelInstance, int]]:
        """The readers of a value with their transfer latencies."""
        if name not in self.receiving:
            readers = (reader.instance for reader in self.program.readers.get(name, []))
            latencies = self.exchange.transfer_latencies
            self.receiving[name] = [(node, latencies.get(node.label, 0)) for node in readers]
        return self.receiving[name]

    def transfer_latency(self, label: str, name: str, reach: Reach) -> int:
        """Transfer latency of value `name` to a kernel in some iterations; none where it reads padding alone."""
        if label not in self.exchange.transfer_latencies:
            return 0
        return self.exchange.transfer_latency(label, self.reaching.producers(name, reach))

    def image(self, initiation_interval: int = 0) -> Frame:
        """The frame of a whole image, laid out."""
        frame = Frame(initiation_interval=initiation_interval)
        for value in self.program.net.inputs:
            self.define(value, 0, frame)
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
        begun = [frame.ready[name] + self.transfer_latency(label, name, frame.reach) for name in read]
        start = max([*begun, frame.anti_dependence.get(label, 0)])
        end = start + self.compute[label]
        frame.start[label] = start
        self.run(apply, min(available, default=start), end, frame)

    def run(self, apply: Apply, begin: int, end: int, frame: Frame) -> None:
        """An execution: operands arrive from `begin` on, the result is available at `end`; the replica may recur."""
        assert isinstance(apply.op, Kernel), apply
        label = apply.op.label
        recurs = frame.var in self.recurring_loop[label]
        self.define(apply.result, end, frame, recurs)
        if recurs:
            distance = self.reuse_distance[label]
            frame.bound_interval(end if distance == 1 else -(-(end - begin) // distance))

    def define(self, value: Value, time: int, frame: Frame, recurs: bool = True) -> None:
        """A value becomes available and is sent to its readers: before the next one, if its producer `recurs`."""
        frame.ready[value.name] = time
        sent = time + self.send_latency(value.name, frame.reach)
        frame.until(sent)
        if recurs:
            frame.bound_interval(sent)

    def choice(self, result: Value, time: int, frame: Frame) -> None:
        """The result of a branch becomes available."""
        producers = self.reaching.producers(result.name, frame.reach)
        self.define(
            result, time, frame, any(frame.var in self.recurring_loop.get(producer, ()) for producer in producers)
        )

    def entry(self, loop: Loop, frame: Frame) -> int:
        """Begin of a loop: all its operands are available, and carries that its kernels overwrite have been sent."""
        begin = [
            frame.ready[value.name]
            for inner in walk((loop,))
            if isinstance(inner, Loop)
            for value in (*(carry.init for carry in inner.carries), *(each.series for each in inner.each))
            if value.name in frame.ready
        ]
        for apply in applies(loop.body.statements):
            read = [value.name for value in data_operands(apply) if value.name in frame.ready]
            begin += [frame.ready[name] + self.send_latency(name, frame.reach) for name in read]
            begin += [frame.anti_dependence.get(apply.op.label, 0)] if isinstance(apply.op, Kernel) else []
        return max(begin, default=0)

    def iteration_frame(
        self, loop: Loop, entry: int, frame: Frame, iterations: IterationSet | None = None, initiation_interval: int = 0
    ) -> Frame:
        """The frame of all or some iterations of a loop, laid out except for its step."""
        reach = {**frame.reach, loop.var: iterations or loop.iterations}
        inner = Frame(loop.var, loop.count, entry, initiation_interval=initiation_interval, reach=reach)
        for value in (*(carry.inner for carry in loop.carries), *(each.inner for each in loop.each)):
            self.define(value, 0, inner)
        for carry, following in zip(loop.carries, loop.body.yields, strict=True):
            for label in self.reaching.producers(following.name, inner.reach):
                inner.anti_dependence[label] = max(
                    inner.anti_dependence.get(label, 0), self.send_latency(carry.inner.name, inner.reach)
                )
        self.statements(loop.body.statements, inner)
        inner.bound_interval(max((inner.ready[value.name] for value in loop.body.yields), default=0))
        return inner

    def ended(self, loop: Loop, last: int, inner: Frame, frame: Frame) -> None:
        """Results of a loop whose last iteration begins at `last`; a loop around waits for its makespan."""
        for result, value in zip(loop.carry_results, loop.body.yields, strict=True):
            self.define(result, last + inner.ready[value.name], frame)
        frame.until(last + max(inner.makespan, inner.step))
        if frame.var:
            frame.bound_interval(frame.makespan)


def executes(node: KernelInstance, reach: Reach) -> bool:
    """Whether a kernel executes in some of these iterations."""
    return all(node.reach[var].intersects(over) for var, over in reach.items())
