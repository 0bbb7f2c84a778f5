"""Reaching definitions: the kernels and inputs that produce a value of a fused net in given iterations.

A value is a result, a carry, an element of a series, or the result of a branch or a loop. Its producer depends on the
iteration; `ReachingDefinitions.producers` gives exactly the producers that occur in some iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Carry, Emit, Loop, Net, Value, When, walk
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
class Definition:
    """A definition that reaches a use in some iterations: a kernel, by its label, or an input of the net.

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
_Binding: TypeAlias = str | _Branch | _Carried | _Last | _Element | _Collected


class ReachingDefinitions:
    """The definitions of the values of a fused net."""

    def __init__(self, net: Net) -> None:
        self._bindings: dict[str, _Binding] = {value.name: value.name for value in net.inputs}
        for statement in walk(net.body):
            match statement:
                case Apply():
                    label = statement.op.label if isinstance(statement.op, Kernel) else ""
                    self._bindings |= {value.name: label for value in statement.results}
                case When():
                    self._bindings |= {v.name: _Branch(statement, i) for i, v in enumerate(statement.results)}
                case Loop():
                    self._bindings |= _of_loop(statement)

    def producers(self, name: str, reach: Reach) -> list[str]:
        """Labels of the kernels and names of the inputs that are value `name` in some iteration of `reach`."""
        return list(dict.fromkeys(definition.producer for definition in self.definitions(name, reach)))

    def definitions(self, name: str, reach: Reach, steps: Steps = ()) -> Iterator[Definition]:
        """Every definition of value `name` that reaches some iteration of `reach`."""
        match self._bindings[name]:
            case str() as producer:
                assert producer, f"%{name} is defined in a body that is never executed"
                yield Definition(producer, reach, steps)
            case _Element(loop, series):
                outside = _without(reach, loop.var)
                yield from self.definitions(series.name, outside, (*steps, ("element", loop.var)))
            case _Collected(emit, value):
                collected = {**reach, emit.var: emit.iterations}
                yield from self.definitions(value.name, collected, (*steps, ("series", emit.var)))
            case _Last(loop, value):
                last = {**reach, loop.var: IterationSet.span(loop.count, loop.count)}
                yield from self.definitions(value.name, last, (*steps, ("last", loop.var)))
            case _Branch(when, position):
                reached = reach[when.var]
                taken, others = reached.intersection(when.iterations), reached.difference(when.iterations)
                for body, iterations in ((when.body, taken), (when.otherwise, others)):
                    if iterations.runs:
                        yield from self.definitions(body.yields[position].name, {**reach, when.var: iterations}, steps)
            case _Carried(loop, carry, following):
                reached = reach[loop.var]
                if 1 in reached:
                    yield from self.definitions(
                        carry.init.name, _without(reach, loop.var), (*steps, ("first", loop.var))
                    )
                before = _before(reached)
                if before.runs:
                    earlier = {**reach, loop.var: before}
                    yield from self.definitions(following.name, earlier, (*steps, ("before", loop.var)))


def _without(reach: Reach, var: str) -> Reach:
    """The iterations of the loops around loop `var`; those inside it are over."""
    around = list(reach)[: list(reach).index(var)]
    return {outer: reach[outer] for outer in around}


def _of_loop(loop: Loop) -> dict[str, _Binding]:
    found: dict[str, _Binding] = {}
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
