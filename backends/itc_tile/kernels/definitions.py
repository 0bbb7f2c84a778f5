"""Where a value may come from: for any value of a fused net and any iterations, the kernels and inputs that make it.

Every name of the net is a result, a carry, an element of a series, a branch's or a loop's result. Which kernel's result
it is depends on the iteration; `Bindings.producers` collects all that some iteration takes, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Carry, Emit, Loop, Net, Value, When, walk
from itc_tile.kernels.instances import Node, nodes
from itc_tile.kernels.kernel import Kernel


@dataclass(frozen=True, slots=True)
class _Branch:
    """Result `position` of a `when`."""

    when: When
    position: int


@dataclass(frozen=True, slots=True)
class _Carried:
    """A carry inside its loop."""

    loop: Loop
    carry: Carry
    following: Value


@dataclass(frozen=True, slots=True)
class _Last:
    """What the last iteration of a loop yields."""

    loop: Loop
    value: Value


@dataclass(frozen=True, slots=True)
class _Element:
    """The element of a series that an iteration of a loop walks."""

    loop: Loop
    series: Value


@dataclass(frozen=True, slots=True)
class _Collected:
    """An element of what an emit yields into a series."""

    emit: Emit
    value: Value


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from in some iterations: a kernel, by its label, or an input of the net.

    `reach` has, for the loops around the producer (and some that are not), the iterations in which it made the value.
    `steps` lead there from where the value is read: `first` out of loop `var`, as it begins; `before` to the iteration
    before; `last` into the last iteration of a loop that has ended; `element` out of a loop that walks a series,
    `series` into the loop that collected it.
    """

    producer: str
    reach: Reach
    steps: tuple[tuple[Step, str], ...] = ()


Step = Literal["first", "before", "last", "element", "series"]
Steps: TypeAlias = tuple[tuple[Step, str], ...]
_Definition: TypeAlias = str | _Branch | _Carried | _Last | _Element | _Collected


class Bindings:
    """The definitions of a fused net's names."""

    def __init__(self, net: Net) -> None:
        self._definitions: dict[str, _Definition] = {value.name: value.name for value in net.inputs}
        for statement in walk(net.body):
            match statement:
                case Apply():
                    label = statement.op.label if isinstance(statement.op, Kernel) else ""
                    self._definitions |= {value.name: label for value in statement.results}
                case When():
                    self._definitions |= {v.name: _Branch(statement, i) for i, v in enumerate(statement.results)}
                case Loop():
                    self._definitions |= _of_loop(statement)

    def producers(self, name: str, reach: Reach) -> list[str]:
        """Labels of the kernels and names of the inputs that are value `name` in some iteration of `reach`."""
        return list(dict.fromkeys(origin.producer for origin in self.origins(name, reach)))

    def origins(self, name: str, reach: Reach, steps: Steps = ()) -> Iterator[Origin]:
        """Every way in which some iteration of `reach` comes by value `name`."""
        match self._definitions[name]:
            case str() as producer:
                assert producer, f"%{name} is made where nothing runs"
                yield Origin(producer, reach, steps)
            case _Element(loop, series):
                outside = _without(reach, loop.var)
                yield from self.origins(series.name, outside, (*steps, ("element", loop.var)))
            case _Collected(emit, value):
                collected = {**reach, emit.var: emit.iterations}
                yield from self.origins(value.name, collected, (*steps, ("series", emit.var)))
            case _Last(loop, value):
                last = {**reach, loop.var: IterationSet.span(loop.count, loop.count)}
                yield from self.origins(value.name, last, (*steps, ("last", loop.var)))
            case _Branch(when, position):
                reached = reach[when.var]
                taken, others = reached.intersection(when.iterations), reached.difference(when.iterations)
                for body, iterations in ((when.body, taken), (when.otherwise, others)):
                    if iterations.runs:
                        yield from self.origins(body.yields[position].name, {**reach, when.var: iterations}, steps)
            case _Carried(loop, carry, following):
                reached = reach[loop.var]
                if 1 in reached:
                    yield from self.origins(carry.init.name, _without(reach, loop.var), (*steps, ("first", loop.var)))
                before = _before(reached)
                if before.runs:
                    earlier = {**reach, loop.var: before}
                    yield from self.origins(following.name, earlier, (*steps, ("before", loop.var)))


def _without(reach: Reach, var: str) -> Reach:
    """The iterations of the loops around loop `var`; those inside it are over."""
    around = list(reach)[: list(reach).index(var)]
    return {outer: reach[outer] for outer in around}


def _of_loop(loop: Loop) -> dict[str, _Definition]:
    found: dict[str, _Definition] = {}
    for carry, result, value in zip(loop.carries, loop.carry_results, loop.body.yields, strict=True):
        found[carry.inner.name] = _Carried(loop, carry, value)
        found[result.name] = _Last(loop, value)
    for emit, series in loop.collected:
        found |= {result.name: _Collected(emit, value) for result, value in zip(series, emit.body.yields, strict=True)}
    return found | {each.inner.name: _Element(loop, each.series) for each in loop.each}


def _before(iterations: IterationSet) -> IterationSet:
    """The iterations before each of these; the first has none."""
    later = iterations.clip(2, iterations.last)
    return IterationSet(tuple(range(run.start - 1, run.stop - 1, run.step) for run in later.runs))


@dataclass(frozen=True, slots=True)
class Reader:
    """An operand of a kernel."""

    node: Node
    operand: int


def readers(net: Net) -> dict[str, list[Reader]]:
    """For each value of a fused net, by name, the operands that read its elements, in text order."""
    found: dict[str, list[Reader]] = {}
    for node in nodes(net).values():
        for operand, value in enumerate(node.apply.values):
            if operand not in node.kernel.shape_only:
                found.setdefault(value.name, []).append(Reader(node, operand))
    return found


def walked(net: Net) -> dict[str, Emit]:
    """For each kernel, by label, whose results become elements of a series that a loop walks, the emit around it."""
    loops = [statement for statement in walk(net.body) if isinstance(statement, Loop)]
    series = {each.series.name for loop in loops for each in loop.each}
    label = {node.apply.result.name: node.label for node in nodes(net).values()}
    return {
        label[value.name]: emit
        for loop in loops
        for emit, results in loop.collected
        for value, result in zip(emit.body.yields, results, strict=True)
        if result.name in series and value.name in label
    }


def slots(net: Net) -> dict[str, int]:
    """For each kernel that keeps a series, by label, how many elements of it a copy keeps, at most."""
    found = nodes(net)
    return {label: _slots(found[label], emit) for label, emit in walked(net).items()}


def _slots(node: Node, emit: Emit) -> int:
    axis = node.axes.get(emit.var)
    return int(np.bincount(axis.groups).max()) if axis else len(emit.iterations)
