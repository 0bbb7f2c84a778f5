"""Sets of iterations of a loop, counted from 1, kept as runs so that their text and cost do not grow with the loop."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache


@dataclass(frozen=True)
class IterationSet:
    """A sorted set of positive integers as disjoint ascending ranges; equal sets have equal runs."""

    runs: tuple[range, ...]

    @classmethod
    def of(cls, numbers: Iterable[int]) -> IterationSet:
        """The set of `numbers` in canonical runs (greedy from the left; two numbers are no progression)."""
        return cls.joined(range(number, number + 1) for number in sorted(set(numbers)))

    @classmethod
    def joined(cls, runs: Iterable[range]) -> IterationSet:
        """The set of ascending disjoint `runs` in canonical ones; takes time by the runs, not by their members."""
        left = deque(run for run in runs if run)
        out: list[range] = []
        while left:
            run = _grown(left.popleft(), left)
            if len(run) == 2 and run.step != 1:
                left.appendleft(run[1:])
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
        at = bisect_right(self.runs, iteration, key=lambda run: run.start)
        return at > 0 and iteration in self.runs[at - 1]

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

    def groups(self, every: int) -> int:
        """How many groups of `every` iterations (1 to `every`, the next `every`, ...) have members here."""
        if every == 1:
            return len(self)
        if self._contiguous:
            return (self.last - 1) // every - (self.runs[0][0] - 1) // every + 1
        return len(_groups(self, every))

    def group(self, iteration: int, every: int) -> int:
        """The position of a member's group of `every` iterations among those that have members, from 0."""
        if every == 1:
            return self.rank(iteration)
        if self._contiguous:
            return (iteration - 1) // every - (self.runs[0][0] - 1) // every
        return bisect_left(_groups(self, every), (iteration - 1) // every)

    def rank(self, iteration: int) -> int:
        """The position of a member, from 0."""
        at = bisect_left(self.numbers, iteration)
        assert at < len(self.numbers) and self.numbers[at] == iteration, f"{iteration} is not in {self}"
        return at

    def clip(self, first: int, last: int) -> IterationSet:
        """The members from `first` to `last`."""
        return IterationSet.joined(run[bisect_left(run, first) : bisect_right(run, last)] for run in self.runs)

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
            return IterationSet.joined(below.runs + self.clip(other.last + 1, self.last).runs)
        return IterationSet.of(set(self) - set(other))

    def __str__(self) -> str:
        return "{" + ", ".join(_run_text(run) for run in self.runs) + "}"


@lru_cache(maxsize=16)
def _groups(iterations: IterationSet, every: int) -> tuple[int, ...]:
    """The groups, counted from 0, ascending; kept for the few sets that a program has, as each is asked for often."""
    return tuple(dict.fromkeys((t - 1) // every for t in iterations))


def _grown(run: range, following: deque[range]) -> range:
    """`run` with all that continues it taken from the front of `following`; a number alone takes any step."""
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
