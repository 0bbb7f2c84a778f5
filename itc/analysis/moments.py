"""What has been run, and which sets of parameters have been read, by each of many moments of a net, for all at once.

A net's body is one line of moments: an operation takes one, a loop one for each phase of each of its iterations,
whatever loops lie inside. Emits cut the body of a loop into phases: each ends one, with its own body, and what stands
behind the last is a phase too. So what runs behind an emit in its iteration is not before it. Counts are exact and take
time by the runs of the iteration sets and by the moments that are asked for. Only a parameter that several operations
read by different iterations, none of which reads all, takes time by its sets.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.analysis.reach import Reached, distinct, numbers, reached
from itc.ir.iterations import IterationSet
from itc.ir.net import Emit, Index, Loop, Net, Param, ParamRef, Statement

Moments = NDArray[np.int64]
#: Whole numbers of any size, one for each moment.
Counts = NDArray[Any]
SMALL = 2**62


@dataclass(frozen=True, slots=True)
class Run:
    """An operation that runs inside the statement that begins at moment `start`, in iterations of the loop `var`.

    It runs in one of the `phases` of each iteration, counted from 0.
    """

    reached: Reached
    start: int
    var: str | None
    phase: int = 0
    phases: int = 1

    def times(self, moments: Moments) -> Counts:
        """How often it has run by each of `moments`."""
        inside = prod(len(iterations) for var, iterations in self.reached.reach.items() if var != self.var)
        return self._here(moments) * inside

    def sets(self, ref: ParamRef, moments: Moments) -> Counts:
        """How many sets of a parameter it has read by each of `moments`."""
        axes = (self._axis(index, moments) for index in ref.index)
        return reduce(np.multiply, axes, np.where(self._here(moments) > 0, 1, 0).astype(object))

    def firsts(self, index: tuple[Index | int, ...]) -> list[Moments]:
        """For each axis the moments at which it first reads each of the sets that `numbers` gives there, in that order.

        Those of an axis that the loop does not go through are the moment when it first runs.
        """
        return [self._firsts(axis) for axis in index]

    @property
    def first(self) -> int:
        """The moment when it first runs."""
        return int(self._moment(self.reached.reach[self.var].runs[0][0] if self.var else 1))

    def _axis(self, index: Index | int, moments: Moments) -> Counts:
        if isinstance(index, Index) and index.var == self.var:
            iterations = self.reached.reach[index.var].moved(index.step, index.offset)
            until = index.step * self._iterations(moments) + index.offset
            return iterations.groups_until(index.every, until).astype(object)
        return np.full(len(moments), distinct(index, self.reached.reach), object)

    def _here(self, moments: Moments) -> Counts:
        """In how many iterations of its own loop it has run."""
        if self.var is None:
            return (moments > self.start).astype(object)
        iterations = self.reached.reach[self.var]
        return iterations.groups_until(1, self._iterations(moments)).astype(object)

    def _iterations(self, moments: Moments) -> Moments:
        """How many iterations of its own loop have passed its phase."""
        return np.maximum(moments - self.start - self.phase - 1 + self.phases, 0) // self.phases

    def _moment(self, iteration: Any) -> Any:
        """The moment at which its phase of an iteration ends."""
        return self.start + (iteration - 1) * self.phases + self.phase + 1

    def _firsts(self, index: Index | int) -> Moments:
        if not isinstance(index, Index) or index.var != self.var:
            return np.full(len(numbers(index, self.reached.reach)), self.first)
        own = np.array(self.reached.reach[index.var].numbers)
        groups = (index.step * own + index.offset - 1) // index.every
        return np.asarray(self._moment(own[np.unique(groups, return_index=True)[1]]))


def starts(body: Sequence[Statement]) -> list[int]:
    """The moment at which each statement begins, and at the end the one at which all is over."""
    return [*accumulate((_length(statement) for statement in body), initial=0)]


def _length(statement: Statement) -> int:
    return statement.count * len(phases(statement)) if isinstance(statement, Loop) else 1


def phases(loop: Loop) -> list[tuple[Statement, ...]]:
    """The statements of a loop's body by phase: emit n of the body, from 0, ends phase n."""
    parts: list[list[Statement]] = [[]]
    for statement in loop.body.statements:
        parts[-1].append(statement)
        if isinstance(statement, Emit):
            parts.append([])
    return [tuple(part) for part in parts]


def runs_of(statement: Statement, start: int) -> list[Run]:
    """Every operation inside a statement that begins at moment `start`."""
    if not isinstance(statement, Loop):
        return [Run(found, start, None) for found in reached((statement,))]
    reach = {statement.var: statement.iterations}
    parts = phases(statement)
    return [
        Run(found, start, statement.var, phase, len(parts))
        for phase, part in enumerate(parts)
        for found in reached(part, dict(reach))
    ]


def params_read(net: Net, runs: Iterable[Run], moments: Moments) -> Counts:
    """Elements of the sets of trained parameters that have been read by each of `moments`, each set once."""
    readers: dict[str, list[tuple[Run, ParamRef]]] = {}
    for run in runs:
        for ref in run.reached.apply.refs:
            if net.param[ref.key].trained:
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
    total = _counted(np.concatenate(firsts), np.concatenate(sizes), moments)
    for run, ref, size in runs_read.values():
        total = total + run.sets(ref, moments) * size
    return total


def _single(readers: Iterable[tuple[Run, ParamRef]]) -> bool:
    """Whether all read one set each."""
    return all(isinstance(axis, int) for _, ref in readers for axis in ref.index)


def _single_sets(readers: Iterable[tuple[Run, ParamRef]]) -> tuple[Moments, Counts]:
    """When sets are first read by readers that read one set each: the first to read a set counts."""
    first: dict[tuple[Index | int, ...], int] = {}
    for run, ref in readers:
        first[ref.index] = min(run.first, first.get(ref.index, run.first))
    return np.array([*first.values()]), np.ones(len(first), np.int64)


def _needed(readers: Sequence[tuple[Run, ParamRef]]) -> list[tuple[Run, ParamRef]]:
    """The readers without those that read nothing, at any moment, but what the one that runs most often reads too."""
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


def _first_reads(param: Param, readers: Sequence[tuple[Run, ParamRef]]) -> tuple[Moments, Counts]:
    """When sets are first read, and how many sets each entry stands for.

    Along an axis that no reader's own loop goes through, numbers that the same readers read are one entry.
    """
    axes = [_classes(param.sets[axis], axis, readers) for axis in range(len(param.sets))]
    sizes = [np.bincount(classes).astype(np.int64 if param.copies < SMALL else object) for classes in axes]
    never = np.iinfo(np.int64).max
    first = np.full([len(counts) for counts in sizes], never)
    for run, ref in readers:
        at: list[Moments] = []
        when: list[Moments] = []
        for classes, index, moments in zip(axes, ref.index, run.firsts(ref.index), strict=True):
            entries, some = np.unique(classes[numbers(index, run.reached.reach)], return_index=True)
            at.append(entries)
            when.append(moments[some])
        read = np.ix_(*at)
        first[read] = np.minimum(first[read], reduce(np.maximum.outer, when))
    return first.ravel(), reduce(np.multiply.outer, sizes).ravel()


def _classes(count: int, axis: int, readers: Iterable[tuple[Run, ParamRef]]) -> Moments:
    """For each number of an axis its class; classes count from 0."""
    indices = ((run, ref.index[axis]) for run, ref in readers)
    if any(isinstance(index, Index) and index.var == run.var for run, index in indices):
        return np.arange(count)
    classes = np.zeros(count, np.int64)
    for run, ref in readers:
        read = np.zeros(count, np.int64)
        read[numbers(ref.index[axis], run.reached.reach)] = 1
        classes = np.unique(classes * 2 + read, return_inverse=True)[1]
    return classes


def _counted(first: Moments, sizes: Counts, moments: Moments) -> Counts:
    """The sum of `sizes` of what is first read by each of `moments`."""
    order = np.argsort(first, kind="stable")
    totals = np.append(np.zeros(1, object), np.cumsum(sizes[order]))
    return totals[np.searchsorted(first[order], moments, "right")].astype(object)
