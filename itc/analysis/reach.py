"""Reaching iterations of each operation: for each enclosing loop, the iterations that satisfy its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Emit, Index, Loop, Statement, When
from itc.records import dataclass

Reach = Mapping[str, IterationSet]


@dataclass(frozen=True, slots=True)
class Reached:
    """An operation and, by variable of each enclosing loop, the iterations in which it runs."""

    apply: Apply
    reach: Reach

    @property
    def times(self) -> int:
        """Number of executions for one image."""
        return prod(len(iterations) for iterations in self.reach.values())


def distinct(index: Index | int, reach: Reach) -> int:
    """Number of sets read by the iterations of `reach` along one axis."""
    if isinstance(index, int):
        return 1
    return reach[index.var].image(index.step, index.offset).groups(index.every)


def numbers(index: Index | int, reach: Reach) -> NDArray[np.int64]:
    """Numbers of the sets, from 0 and ascending, read by the iterations of `reach` along one axis."""
    if isinstance(index, int):
        return np.array([index])
    iterations = index.step * np.array(reach[index.var].numbers) + index.offset
    groups = (iterations - 1) // index.every  # ascending
    groups = groups[np.diff(groups, prepend=-1) > 0]
    return index.over.groups_until(index.every, (groups + 1) * index.every) - 1


def reached(statements: tuple[Statement, ...], reach: Reach | None = None) -> Iterator[Reached]:
    """All operations with a reaching iteration, in text order."""
    reach = reach or {}
    for statement in statements:
        match statement:
            case Apply():
                yield Reached(statement, reach)
            case Loop(var=var):
                yield from reached(statement.body.statements, {**reach, var: statement.iterations})
            case When(var=var, iterations=iterations):
                branches = (reach[var].intersection(iterations), reach[var].difference(iterations))
                for body, chosen in zip((statement.body, statement.otherwise), branches, strict=True):
                    if chosen.runs:
                        yield from reached(body.statements, {**reach, var: chosen})
            case Emit(var=var, iterations=iterations):
                chosen = reach[var].intersection(iterations)
                if chosen.runs:
                    yield from reached(statement.body.statements, {**reach, var: chosen})
