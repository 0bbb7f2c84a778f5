"""Sets of iterations of a loop, counted from 1, kept as runs so that their text and cost do not grow with the loop."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class IterationSet:
    """A sorted set of positive integers as disjoint ascending ranges; equal sets have equal runs."""

    runs: tuple[range, ...]

    @classmethod
    def of(cls, numbers: Iterable[int]) -> IterationSet:
        """The set of `numbers` in canonical runs (greedy from the left; two numbers are no progression)."""
        ordered = sorted(set(numbers))
        runs: list[range] = []
        at = 0
        while at < len(ordered):
            length = _progression(ordered, at)
            step = ordered[at + 1] - ordered[at] if length > 1 else 1
            if length == 2 and step != 1:
                length, step = 1, 1
            runs.append(range(ordered[at], ordered[at + length - 1] + 1, step))
            at += length
        return cls(tuple(runs))

    @classmethod
    def span(cls, first: int, last: int) -> IterationSet:
        """Every iteration from `first` to `last`."""
        return cls((range(first, last + 1),) if last >= first else ())

    def __iter__(self) -> Iterator[int]:
        for run in self.runs:
            yield from run

    def __contains__(self, iteration: int) -> bool:
        return any(iteration in run for run in self.runs)

    def __len__(self) -> int:
        return sum(len(run) for run in self.runs)

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        return tuple(self)

    @property
    def last(self) -> int:
        """The greatest member, 0 if there is none."""
        return self.runs[-1][-1] if self.runs else 0

    def count_until(self, iteration: int) -> int:
        """How many members are at most `iteration`."""
        return bisect_right(self.numbers, iteration)

    def rank(self, iteration: int) -> int:
        """The position of a member, from 0."""
        at = bisect_left(self.numbers, iteration)
        assert at < len(self.numbers) and self.numbers[at] == iteration, f"{iteration} is not in {self}"
        return at

    def clip(self, first: int, last: int) -> IterationSet:
        """The members from `first` to `last`."""
        clipped = (run[bisect_left(run, first) : bisect_right(run, last)] for run in self.runs)
        runs = tuple(run for run in clipped if run)
        return IterationSet(tuple(range(r[0], r[-1] + 1, r.step if len(r) > 1 else 1) for r in runs))

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
        if other._contiguous and self._contiguous:
            below = self.clip(1, other.runs[0][0] - 1)
            return IterationSet(below.runs + self.clip(other.last + 1, self.last).runs)
        return IterationSet.of(set(self) - set(other))

    def __str__(self) -> str:
        return "{" + ", ".join(_run_text(run) for run in self.runs) + "}"


def _progression(ordered: list[int], at: int) -> int:
    """How many numbers from position `at` on have the same distance."""
    if at + 1 == len(ordered):
        return 1
    step, end = ordered[at + 1] - ordered[at], at + 2
    while end < len(ordered) and ordered[end] - ordered[end - 1] == step:
        end += 1
    return end - at


def _run_text(run: range) -> str:
    if len(run) == 1:
        return str(run[0])
    if len(run) == 2 and run.step == 1:
        return f"{run[0]}, {run[1]}"
    return f"{run[0]}..{run[-1]}" + (f" by {run.step}" if run.step > 1 else "")
