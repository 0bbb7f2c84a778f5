"""Lifetimes of the buffers of a bulk-synchronous program, as intervals of program points.

A point is a superstep's exchange (all exchange steps in a row), the kernel behind it, or the begin or end of a loop,
in text order. A value that crosses the back edge of a loop lives to the loop's end and from its begin; what every
iteration reads and none defines lives throughout the loop. Parameters, code and transfer tables are resident.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Emit, Loop, Statement, Value, When, children
from itc.ir.uses import data_operands
from itc_tile.cost.memory import INPUTS, OUTPUT, RESIDENT, is_one_buffer
from itc_tile.kernels.definitions import Definition
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.program import Program
from itc_tile.program.steps import ExchangeStep

Interval = tuple[int, int]


@dataclass(frozen=True)
class Sending:
    """An exchange step: its value, its point, and the variables of the loops around it."""

    value: Value
    step: ExchangeStep
    point: int
    around: tuple[str, ...]
    reach: tuple[tuple[str, IterationSet], ...]


class Points:
    """The points of a program: of each kernel, of each exchange step, and of the ends of each loop."""

    def __init__(self, program: Program) -> None:
        self.count = 0
        self.kernels: dict[str, int] = {}
        self.loops: dict[str, Interval] = {}
        self.sendings: list[Sending] = []
        self._statements(program.steps, {})

    def _statements(self, statements: Iterable[Statement], reach: dict[str, IterationSet]) -> None:
        sending = False
        for statement in statements:
            if isinstance(statement, Apply) and isinstance(statement.op, ExchangeStep):
                self.count += not sending
                sending = True
                where = (self.count, tuple(reach), tuple(reach.items()))
                self.sendings.append(Sending(statement.values[0], statement.op, *where))
                continue
            self.count += 1
            sending = False
            self._statement(statement, reach)

    def _statement(self, statement: Statement, reach: dict[str, IterationSet]) -> None:
        match statement:
            case Apply(op=Kernel() as kernel):
                self.kernels[kernel.label] = self.count
            case Loop(var=var):
                begin = self.count
                self._statements(statement.body.statements, {**reach, var: statement.iterations})
                self.count += 1
                self.loops[var] = (begin, self.count)
            case Emit(var=var, iterations=iterations):
                self._statements(statement.body.statements, {**reach, var: reach[var].intersection(iterations)})
            case When(var=var, iterations=iterations):
                parts = (reach[var].intersection(iterations), reach[var].difference(iterations))
                for body, part in zip(children(statement), parts, strict=True):
                    if part.runs:
                        self._statements(body.statements, {**reach, var: part})


@dataclass(frozen=True, eq=False)
class Lifetimes:
    """The intervals of points in which each buffer of a program holds a value that is still to be read."""

    program: Program

    @cached_property
    def points(self) -> Points:
        return Points(self.program)

    def of(self, label: str, content: str, name: str) -> tuple[Interval, ...]:
        """The intervals of a buffer of a kernel, disjoint or not."""
        if content in RESIDENT:
            return ((0, self.points.count + 1),)
        kernel, point = self.program.nodes[label].kernel, self.points.kernels[label]
        if content == INPUTS:
            operands = arriving_operands(kernel, name)
            arriving = [self.arrivals[label, i] for i in operands if (label, i) in self.arrivals]
            return tuple(interval for intervals in arriving for interval in intervals) or ((point, point),)
        if content == OUTPUT:
            received = is_one_buffer(kernel, self.program.residency[label].inputs)
            arrival = self.arrivals.get((label, 0), ()) if received else ()
            return ((point, point), *arrival, *self.results.get(label, ()))
        return ((point, point),)

    @cached_property
    def arrivals(self) -> dict[tuple[str, int], list[Interval]]:
        """For each operand from its exchange to its reader; to the end of all loops that only the reader is in."""
        found: dict[tuple[str, int], list[Interval]] = {}
        for sending in self.points.sendings:
            for label, operand in sending.step.to:
                reader = self.points.kernels[label]
                loops = [var for var in self.program.nodes[label].reach if var not in sending.around]
                end = max([reader, *(self.points.loops[var][1] for var in loops)])
                found.setdefault((label, operand), []).append((sending.point, end))
        return found

    @cached_property
    def results(self) -> dict[str, list[Interval]]:
        """For each kernel from its execution to each exchange of its result, round back edges too."""
        found: dict[str, list[Interval]] = {}
        for sending in self.points.sendings:
            for definition in self._definitions(sending):
                if definition.producer in self.program.nodes:
                    found.setdefault(definition.producer, []).extend(self._living(sending, definition))
        return {label: list(dict.fromkeys(intervals)) for label, intervals in found.items()}

    def _definitions(self, sending: Sending) -> Iterator[Definition]:
        reaching, name = self.program.graph.reaching, sending.value.name
        for label, _ in sending.step.to:
            yield from reaching.definitions(name, self.program.nodes[label].reach)
        if sending.step.outputs:
            yield from reaching.definitions(name, dict(sending.reach))

    def _living(self, sending: Sending, definition: Definition) -> Iterator[Interval]:
        """From the definition of a value to its exchange."""
        loops, end = self.points.loops, sending.point
        start = self.points.kernels[definition.producer]
        entered = {var for step, var in definition.steps if step == "first"}
        own = self.program.nodes[definition.producer].reach
        for var in sending.around:
            if var not in own and var not in entered:
                end = max(end, loops[var][1])
        for step, var in definition.steps:
            if step == "before":
                yield loops[var][0], end
                end = loops[var][1]
            elif step == "element":
                end = max(end, loops[var][1])
            elif step == "series":
                start = min(start, loops[var][0])
        yield start, end


def arriving_operands(kernel: Kernel, name: str) -> tuple[int, ...]:
    """The operands that arrive in the buffer of a value: the exchange assembles it from them."""
    wanted = {name}
    for apply in reversed(kernel.body):
        if apply.result.name in wanted:
            wanted |= {value.name for value in data_operands(apply)}
    return tuple(i for i, formal in enumerate(kernel.inputs) if formal.name in wanted)


def meet(left: Iterable[Interval], right: Iterable[Interval]) -> bool:
    """Whether two lifetimes have a point in common."""
    others = list(right)
    return any(begin <= last and first <= end for begin, end in left for first, last in others)
