"""Sets of iterations of a loop, counted from 1, stored as arithmetic progressions (runs).

Text and time depend on the number of runs, not of iterations, except where an operation says otherwise.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from itc.records import dataclass


@dataclass(frozen=True)
class IterationSet:
    """A set of positive integers as ascending disjoint runs in canonical form: equal sets have equal runs."""

    runs: tuple[range, ...]

    @classmethod
    def of(cls, numbers: Iterable[int]) -> IterationSet:
        """The set of `numbers` in canonical runs: greedy from the left; a run has step 1 or at least three members."""
        return cls.joined(range(number, number + 1) for number in sorted(set(numbers)))

    @classmethod
    def joined(cls, runs: Iterable[range]) -> IterationSet:
        """The set of ascending disjoint `runs`, made canonical; its time depends on the runs, not on their members."""
        remaining = deque(run for run in runs if run)
        out: list[range] = []
        while remaining:
            run = _grown(remaining.popleft(), remaining)
            if len(run) == 2 and run.step != 1:
                remaining.appendleft(run[1:])
                run = run[:1]
            out.append(range(run[0], run[-1] + 1, run.step if len(run) > 1 else 1))
        return cls(tuple(out))

    @classmethod
    def span(cls, first: int, last: int) -> IterationSet:
        """Every iteration from `first` to `last`."""
        return cls((range(first, last + 1),) if last >= first else ())

    def __iter__(self) -> Iterator[int]:
        for run in self.runs:
            yield from run

    def __contains__(self, iteration: int) -> bool:
        at = bisect_right(self._starts, iteration)
        return at > 0 and iteration in self.runs[at - 1]

    def __len__(self) -> int:
        return self._before[-1]

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        return tuple(self)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return tuple(run.start for run in self.runs)

    @cached_property
    def _before(self) -> tuple[int, ...]:
        """Number of members before each run, then of all members."""
        return tuple(accumulate((len(run) for run in self.runs), initial=0))

    @property
    def first(self) -> int:
        """The least member, or 0 for the empty set."""
        return self.runs[0][0] if self.runs else 0

    @property
    def last(self) -> int:
        """The greatest member, or 0 for the empty set."""
        return self.runs[-1][-1] if self.runs else 0

    @property
    def changes(self) -> int:
        """Upper bound of the number of changes of membership between consecutive iterations."""
        return sum(2 if run.step == 1 else 2 * len(run) for run in self.runs)

    def count_until(self, iteration: int) -> int:
        """Number of members up to `iteration`."""
        at = bisect_right(self._starts, iteration)
        return self._before[at - 1] + bisect_right(self.runs[at - 1], iteration) if at else 0

    def intersects(self, other: IterationSet) -> bool:
        """Whether the two sets have a common member."""
        few, many = sorted((self, other), key=lambda each: len(each.runs))
        return any(many._has_some_of(run) for run in few.runs)

    def _has_some_of(self, run: range) -> bool:
        if run.step == 1:
            return self.count_until(run[-1]) > self.count_until(run[0] - 1)
        return any(iteration in self for iteration in run)

    def rank(self, iteration: int) -> int:
        """The rank of a member, from 0."""
        assert iteration in self, f"{iteration} is not in {self}"
        return self.count_until(iteration) - 1

    def groups_until(self, every: int, iterations: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of groups (of `every` consecutive iterations) with a member up to each of `iterations`."""
        if not self.runs:
            return np.zeros_like(iterations)
        if every == 1 and self._contiguous:
            return np.clip(iterations - self.runs[0].start + 1, 0, len(self.runs[0]))
        start, step, last = (np.array(part, np.int64) for part in zip(*map(_bounds, self.runs), strict=True))
        first = (start - 1) // every
        again = np.append(False, first[1:] == (last[:-1] - 1) // every)  # the previous run ends in this group
        before = np.append(0, np.cumsum(_groups(start, step, last, every) - again))
        at = np.searchsorted(start, iterations, "right") - 1
        inside = np.minimum(iterations, last[at])
        inside -= (inside - start[at]) % step[at]
        counts = _groups(start[at], step[at], inside, every) - again[at] + before[at]
        return np.where(at < 0, 0, counts)

    def groups(self, every: int) -> int:
        """Number of groups (of `every` consecutive iterations) with a member."""
        return len(self) if every == 1 else int(self.groups_until(every, np.array([self.last]))[0])

    def group(self, iteration: int, every: int) -> int:
        """Rank of an iteration's group among the groups with a member, from 0."""
        if every == 1:
            return self.rank(iteration)
        group = (iteration - 1) // every
        before, until = self.groups_until(every, np.array([group, group + 1]) * every)
        assert until > before, f"{iteration} is in no group of {every} of {self}"
        return int(before)

    def clip(self, first: int, last: int) -> IterationSet:
        """The members from `first` to `last`."""
        return IterationSet.joined(run[bisect_left(run, first) : bisect_right(run, last)] for run in self.runs)

    def image(self, step: int, offset: int) -> IterationSet:
        """The image under t -> `step * t + offset`, without numbers below 1; `step` is positive."""
        runs = (range(step * r[0] + offset, step * r[-1] + offset + 1, step * r.step) for r in self.runs)
        return IterationSet.joined(run[bisect_left(run, 1) :] for run in runs)

    def preimage(self, step: int, offset: int, count: int) -> IterationSet:
        """The t in 1..`count` for which `step * t + offset` is a member; `step` is positive."""
        return IterationSet.joined(part for run in self.runs for part in _preimage(run, step, offset)).clip(1, count)

    @property
    def _contiguous(self) -> bool:
        return len(self.runs) == 1 and self.runs[0].step == 1

    def union(self, other: IterationSet) -> IterationSet:
        return self if self == other else IterationSet.of((*self, *other))

    def intersection(self, other: IterationSet) -> IterationSet:
        if self == other:
            return self
        if other._contiguous:
            return self.clip(other.runs[0][0], other.last)
        if self._contiguous:
            return other.clip(self.runs[0][0], self.last)
        return IterationSet.of(set(self) & set(other))

    def difference(self, other: IterationSet) -> IterationSet:
        if other._contiguous:
            below = self.clip(1, other.runs[0][0] - 1)
            return IterationSet.joined(below.runs + self.clip(other.last + 1, self.last).runs)
        if self._contiguous:
            return IterationSet.joined(_gaps(other.clip(self.runs[0][0], self.last), self.runs[0]))
        return IterationSet.of(set(self) - set(other))

    def __str__(self) -> str:
        return "{" + ", ".join(_run_text(run) for run in self.runs) + "}"


def _gaps(taken: IterationSet, whole: range) -> Iterator[range]:
    """The ranges of `whole` between the members of `taken`."""
    first = whole[0]
    for run in taken.runs:
        for part in [run] if run.step == 1 else (range(number, number + 1) for number in run):
            yield range(first, part[0])
            first = part[-1] + 1
    yield range(first, whole[-1] + 1)


def _preimage(run: range, step: int, offset: int) -> Iterator[range]:
    """The t for which `step * t + offset` is in a run."""
    if step == 1 or run.step == 1:
        first, last = -(-(run[0] - offset) // step), (run[-1] - offset) // step
        yield range(first, last + 1, run.step)
        return
    for iteration, remainder in (divmod(number - offset, step) for number in run):
        if not remainder:
            yield range(iteration, iteration + 1)


def _bounds(run: range) -> tuple[int, int, int]:
    return run[0], run.step, run[-1]


def _groups(
    start: NDArray[np.int64], step: NDArray[np.int64], last: NDArray[np.int64], every: int
) -> NDArray[np.int64]:
    """Number of groups of `every` that each progression intersects; steps up to `every` skip none between its ends."""
    return np.where(step <= every, (last - 1) // every - (start - 1) // every, (last - start) // step) + 1


def _grown(run: range, following: deque[range]) -> range:
    """`run` extended by its continuation at the front of `following`; a run of one number may take any step."""
    step = run.step if len(run) > 1 else following[0][0] - run[0] if following else 1
    last = run[-1]
    while following and following[0][0] == last + step:
        behind = following.popleft()
        same = len(behind) == 1 or behind.step == step
        last = behind[-1] if same else behind[0]
        if not same:
            following.appendleft(behind[1:])
    return range(run[0], last + 1, step)


def _run_text(run: range) -> str:
    if len(run) == 1:
        return str(run[0])
    if len(run) == 2 and run.step == 1:
        return f"{run[0]}, {run[1]}"
    return f"{run[0]}..{run[-1]}" + (f" by {run.step}" if run.step > 1 else "")
