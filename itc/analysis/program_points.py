"""Executions of operations and parameter sets read up to each of many program points of a net.

Program points number the top level of a net: an operation takes one, a loop one for each phase of each iteration,
including nested loops. The emits of a loop's body delimit its phases: each emit ends a phase with its own body, and
the statements after the last emit are a phase too. So the statements after an emit in its iteration come after its
point. Counts are exact; their time depends on the runs of the iteration sets and the number of points. Only a parameter
read by several operations in different iterations, none of which reads all sets, takes time by its number of sets.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import reduce
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.analysis.reach import Reached, distinct, numbers, reached
from itc.ir.iterations import IterationSet
from itc.ir.net import Emit, Index, Loop, Net, Param, ParamRef, Statement
from itc.records import dataclass

Points = NDArray[np.int64]
#: Integers of unbounded size, one per program point.
Counts = NDArray[Any]
SMALL = 2**62


@dataclass(frozen=True, slots=True)
class Run:
    """An operation inside the top-level statement that starts at point `start`, which is loop `var` or no loop.

    It runs in phase `phase` of the `phases` of an iteration.
    """

    reached: Reached
    start: int
    var: str | None
    phase: int = 0
    phases: int = 1

    def times(self, points: Points) -> Counts:
        """Number of executions up to each of `points`."""
        inside = prod(len(iterations) for var, iterations in self.reached.reach.items() if var != self.var)
        return self._executions(points) * inside

    def sets(self, ref: ParamRef, points: Points) -> Counts:
        """Number of sets of a parameter read up to each of `points`."""
        axes = (self._axis(index, points) for index in ref.index)
        return reduce(np.multiply, axes, np.where(self._executions(points) > 0, 1, 0).astype(object))

    def firsts(self, index: tuple[Index | int, ...]) -> list[Points]:
        """For each axis, the points of the first read of each set of `numbers`, in that order.

        For an axis not indexed by the top-level loop, this is the point of the first execution.
        """
        return [self._firsts(axis) for axis in index]

    @property
    def first(self) -> int:
        """The point of the first execution."""
        return int(self._point(self.reached.reach[self.var].runs[0][0] if self.var else 1))

    def _axis(self, index: Index | int, points: Points) -> Counts:
        if isinstance(index, Index) and index.var == self.var:
            iterations = self.reached.reach[index.var].image(index.step, index.offset)
            until = index.step * self._iterations(points) + index.offset
            return iterations.groups_until(index.every, until).astype(object)
        return np.full(len(points), distinct(index, self.reached.reach), object)

    def _executions(self, points: Points) -> Counts:
        """Number of iterations of the top-level loop in which it has run."""
        if self.var is None:
            return (points > self.start).astype(object)
        iterations = self.reached.reach[self.var]
        return iterations.groups_until(1, self._iterations(points)).astype(object)

    def _iterations(self, points: Points) -> Points:
        """Number of iterations of the top-level loop that have completed its phase."""
        return np.maximum(points - self.start - self.phase - 1 + self.phases, 0) // self.phases

    def _point(self, iteration: Any) -> Any:
        """The point at which its phase of an iteration ends."""
        return self.start + (iteration - 1) * self.phases + self.phase + 1

    def _firsts(self, index: Index | int) -> Points:
        if not isinstance(index, Index) or index.var != self.var:
            return np.full(len(numbers(index, self.reached.reach)), self.first)
        own = np.array(self.reached.reach[index.var].numbers)
        groups = (index.step * own + index.offset - 1) // index.every
        return np.asarray(self._point(own[np.unique(groups, return_index=True)[1]]))


def starts(body: Sequence[Statement]) -> list[int]:
    """The start point of each statement, then the end point of the body."""
    return [*accumulate((_length(statement) for statement in body), initial=0)]


def _length(statement: Statement) -> int:
    return statement.count * len(phases(statement)) if isinstance(statement, Loop) else 1


def phases(loop: Loop) -> list[tuple[Statement, ...]]:
    """The statements of a loop's body by phase: emit n, from 0, ends phase n."""
    parts: list[list[Statement]] = [[]]
    for statement in loop.body.statements:
        parts[-1].append(statement)
        if isinstance(statement, Emit):
            parts.append([])
    return [tuple(part) for part in parts]


def runs_of(statement: Statement, start: int) -> list[Run]:
    """All operations inside a top-level statement that starts at point `start`."""
    if not isinstance(statement, Loop):
        return [Run(found, start, None) for found in reached((statement,))]
    reach = {statement.var: statement.iterations}
    parts = phases(statement)
    return [
        Run(found, start, statement.var, phase, len(parts))
        for phase, part in enumerate(parts)
        for found in reached(part, dict(reach))
    ]


def params_read(net: Net, runs: Iterable[Run], points: Points) -> Counts:
    """Elements of trained parameters read up to each of `points`; each set counts once."""
    readers: dict[str, list[tuple[Run, ParamRef]]] = {}
    for run in runs:
        for ref in run.reached.apply.refs:
            if net.param[ref.key].learned:
                readers.setdefault(ref.key, []).append((run, ref))
    runs_read: dict[Hashable, tuple[Run, ParamRef, int]] = {}
    firsts, sizes = [np.zeros(0, np.int64)], [np.zeros(0, object)]
    for key, found in readers.items():
        param = net.param[key]
        needed = found if _single(found) else _needed(found)
        if len(needed) == 1:
            ((run, ref),) = needed
            alike = run.start, id(run.reached.reach), ref.index
            *_, size = runs_read.get(alike, (0,))
            runs_read[alike] = run, ref, size + param.type.size
            continue
        first, counts = _single_sets(needed) if _single(needed) else _first_reads(param, needed)
        firsts.append(first)
        sizes.append(counts.astype(object) * param.type.size)
    total = _counted(np.concatenate(firsts), np.concatenate(sizes), points)
    for run, ref, size in runs_read.values():
        total = total + run.sets(ref, points) * size
    return total


def _single(readers: Iterable[tuple[Run, ParamRef]]) -> bool:
    """Whether each reader reads a single set."""
    return all(isinstance(axis, int) for _, ref in readers for axis in ref.index)


def _single_sets(readers: Iterable[tuple[Run, ParamRef]]) -> tuple[Points, Counts]:
    """The point of the first read of each set, for readers of a single set."""
    first: dict[tuple[Index | int, ...], int] = {}
    for run, ref in readers:
        first[ref.index] = min(run.first, first.get(ref.index, run.first))
    return np.array([*first.values()]), np.ones(len(first), np.int64)


def _needed(readers: Sequence[tuple[Run, ParamRef]]) -> list[tuple[Run, ParamRef]]:
    """The readers, without those whose reads, up to any point, are included in those of the most frequent one."""
    most, ref = max(readers, key=lambda reader: (reader[0].reached.times, -reader[0].phase))
    others = [reader for reader in readers if not _covers((most, ref), reader)]
    return [(most, ref), *others]


def _covers(reader: tuple[Run, ParamRef], other: tuple[Run, ParamRef]) -> bool:
    (run, ref), (less, its) = reader, other
    if (run.start, ref.index) != (less.start, its.index) or run.phase > less.phase:
        return False
    read = {axis.var for axis in ref.index if isinstance(axis, Index)} | ({run.var} if run.var else set())
    return all(_within(less.reached.reach[var], run.reached.reach[var]) for var in read)


def _within(inner: IterationSet, outer: IterationSet) -> bool:
    return inner.intersection(outer) == inner


def _first_reads(param: Param, readers: Sequence[tuple[Run, ParamRef]]) -> tuple[Points, Counts]:
    """The point of the first read of each entry, and the number of sets per entry.

    Along an axis not indexed by a reader's top-level loop, sets with the same readers are merged into one entry.
    """
    axes = [_classes(param.sets[axis], axis, readers) for axis in range(len(param.sets))]
    sizes = [np.bincount(classes).astype(np.int64 if param.set_count < SMALL else object) for classes in axes]
    never = np.iinfo(np.int64).max
    first = np.full([len(counts) for counts in sizes], never)
    for run, ref in readers:
        at: list[Points] = []
        when: list[Points] = []
        for classes, index, points in zip(axes, ref.index, run.firsts(ref.index), strict=True):
            entries, some = np.unique(classes[numbers(index, run.reached.reach)], return_index=True)
            at.append(entries)
            when.append(points[some])
        read = np.ix_(*at)
        first[read] = np.minimum(first[read], reduce(np.maximum.outer, when))
    return first.ravel(), reduce(np.multiply.outer, sizes).ravel()


def _classes(count: int, axis: int, readers: Iterable[tuple[Run, ParamRef]]) -> Points:
    """The class of each set along an axis, from 0: sets in one class have the same readers."""
    indices = ((run, ref.index[axis]) for run, ref in readers)
    if any(isinstance(index, Index) and index.var == run.var for run, index in indices):
        return np.arange(count)
    classes = np.zeros(count, np.int64)
    for run, ref in readers:
        read = np.zeros(count, np.int64)
        read[numbers(ref.index[axis], run.reached.reach)] = 1
        classes = np.unique(classes * 2 + read, return_inverse=True)[1]
    return classes


def _counted(first: Points, sizes: Counts, points: Points) -> Counts:
    """The sum of `sizes` of the entries first read up to each of `points`."""
    order = np.argsort(first, kind="stable")
    totals = np.append(np.zeros(1, object), np.cumsum(sizes[order]))
    return totals[np.searchsorted(first[order], points, "right")].astype(object)
