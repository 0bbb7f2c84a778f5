"""Which iterations reach each operation: the loops around it, and in each the iterations that its conditions leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Emit, Index, Loop, ParamRef, Statement, When

Reach = Mapping[str, IterationSet]


@dataclass(frozen=True, slots=True)
class Reached:
    """An operation and, for the variable of each loop around it, the iterations in which it runs."""

    apply: Apply
    reach: Reach

    @property
    def times(self) -> int:
        """How often it runs for one image."""
        return prod(len(iterations) for iterations in self.reach.values())

    def sets(self, ref: ParamRef) -> int:
        """How many sets of a parameter it reads in all."""
        return prod(distinct(index, self.reach) for index in ref.index)


def distinct(index: Index | int, reach: Reach) -> int:
    """How many sets the iterations of `reach` read along one axis."""
    if isinstance(index, int):
        return 1
    return reach[index.var].groups(index.every)


def numbers(index: Index | int, reach: Reach) -> NDArray[np.int64]:
    """Which sets, from 0, the iterations of `reach` read along one axis, in ascending order."""
    if isinstance(index, int):
        return np.array([index])
    groups = ((np.array(iterations.numbers) - 1) // index.every for iterations in (index.over, reach[index.var]))
    over, read = map(np.unique, groups)
    return np.searchsorted(over, read)


def reached(
    statements: tuple[Statement, ...], reach: Reach | None = None, until: Mapping[str, int] | None = None
) -> Iterator[Reached]:
    """Every operation that runs, in text order. `until` ends loops early: iterations after `until[var]` don't count."""
    reach, until = reach or {}, until or {}
    for statement in statements:
        match statement:
            case Apply():
                yield Reached(statement, reach)
            case Loop(var=var):
                iterations = statement.iterations.clip(1, until.get(var, statement.count))
                yield from reached(statement.body.statements, {**reach, var: iterations}, until)
            case When(var=var, iterations=iterations):
                branches = (reach[var].intersection(iterations), reach[var].difference(iterations))
                for body, chosen in zip((statement.body, statement.otherwise), branches, strict=True):
                    if chosen.runs:
                        yield from reached(body.statements, {**reach, var: chosen}, until)
            case Emit(var=var, iterations=iterations):
                chosen = reach[var].intersection(iterations)
                if chosen.runs:
                    yield from reached(statement.body.statements, {**reach, var: chosen}, until)
