"""Sets of positions along one axis, many at once: intervals, or intervals of a table where positions are missing.

Memory is that of the sets' number and of the positions of those that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Intervals = tuple[Ints, Ints, Ints]
"""Numbers of sets, first positions, and those behind the last."""
Taps = Callable[[Ints], Iterator[tuple[Ints, Ints]]]


@dataclass(frozen=True, eq=False)
class Sets:
    """Each holds the positions `bounds[..., 0]` up to `bounds[..., 1]`, or those that `table` lists there, ascending.

    The bounds of an empty set are zeros.
    """

    bounds: Ints
    table: Ints | None = None

    @property
    def hull(self) -> Ints:
        """The interval [..., 2] around each set."""
        if self.table is None:
            return self.bounds
        first, end = self.bounds[..., 0], self.bounds[..., 1]
        last = np.maximum(end - 1, 0)
        around = np.stack([self.table.take(first, mode="clip"), self.table.take(last, mode="clip") + 1], axis=-1)
        return np.where((first < end)[..., None], around, 0)

    def distinct(self) -> tuple[Sets, Ints]:
        """The sets that differ in their bounds, and for each set the number of its own."""
        bounds, numbers = distinct_rows(self.bounds)
        return Sets(bounds, self.table), numbers

    def take(self, number: int) -> Ints:
        """The positions of one of sets [n]."""
        first, end = self.bounds[number]
        return np.arange(first, end) if self.table is None else self.table[first:end]

    def listed(self) -> tuple[Ints, Ints]:
        """Of sets [n]: the number of the set and the position, for every position of each."""
        first, end = self.bounds[:, 0], self.bounds[:, 1]
        counts = np.maximum(end - first, 0)
        index = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        return np.repeat(np.arange(len(counts)), counts), index if self.table is None else self.table[index]

    def runs(self) -> Intervals:
        """Of sets [n]: the longest intervals that they are made of."""
        if self.table is None:
            return np.arange(len(self.bounds)), self.bounds[:, 0], self.bounds[:, 1]
        numbers, positions = self.listed()
        begins = np.ones(len(numbers), np.bool_)
        begins[1:] = (np.diff(numbers) != 0) | (np.diff(positions) != 1)
        last = np.roll(begins, -1)
        return numbers[begins], positions[begins], positions[last] + 1

    def within(self, intervals: Ints) -> Sets:
        """What lies in `intervals` [..., 2], each of one set; leading axes broadcast."""
        if self.table is None:
            first = np.maximum(self.bounds[..., 0], intervals[..., 0])
            return Sets(_bounds(first, np.minimum(self.bounds[..., 1], intervals[..., 1])))
        stretch = np.concatenate([[0], np.cumsum(np.diff(self.table) <= 0)])[: len(self.table)]
        span = int(max(self.table.max(initial=0), intervals.max(initial=0))) + 1
        keys = stretch * span + self.table  # ascending; every set lies in one ascending stretch of the table
        base = (stretch * span).take(self.bounds[..., 0], mode="clip")
        ends = [np.searchsorted(keys, base + intervals[..., side]) for side in (0, 1)]
        first, end = (np.clip(place, self.bounds[..., 0], self.bounds[..., 1]) for place in ends)
        return Sets(_bounds(first, end), self.table)


def _bounds(first: Ints, end: Ints) -> Ints:
    """Bounds, zeros where they hold nothing."""
    return np.stack([first, end], axis=-1) * (first < end)[..., None]


def distinct_rows(rows: Ints) -> tuple[Ints, Ints]:
    """The rows [n, k] that differ among rows [..., k] of natural numbers, and for each row the number of its own."""
    flat = rows.reshape(-1, rows.shape[-1])
    _, first, numbers = np.unique(row_keys(flat), return_index=True, return_inverse=True)
    return flat[first], numbers.reshape(rows.shape[:-1])


def row_keys(rows: Ints) -> Ints:
    """For each of rows [n, k] of natural numbers a number, in the order of the rows, equal for equal rows alone."""
    keys, span = np.zeros(len(rows), np.int64), 1
    for column in rows.T:
        size = int(column.max(initial=0)) + 1
        if span * size >= 1 << 62:
            keys = np.unique(keys, return_inverse=True)[1].reshape(-1)
            span = int(keys.max(initial=0)) + 1
        keys, span = keys * size + column, span * size
    return keys


def joined(count: int, size: int, intervals: Callable[[], Iterator[Intervals]]) -> Sets:
    """For each of `count` sets the positions that its intervals hold, less what leaves an axis of `size`.

    `intervals` is called twice and gives them in any order, some at a time. There is a table only if any set has gaps.
    """
    low, high = np.full(count, size, np.int64), np.zeros(count, np.int64)
    for numbers, first, end in _kept(size, intervals()):
        np.minimum.at(low, numbers, first)
        np.maximum.at(high, numbers, end)
    low = np.minimum(low, high)
    begins = np.concatenate([[0], np.cumsum(high - low + 1)])
    changes = np.zeros(begins[-1], np.int64)
    offset = begins[:-1] - low
    for numbers, first, end in _kept(size, intervals()):
        changes += np.bincount(offset[numbers] + first, minlength=len(changes))
        changes -= np.bincount(offset[numbers] + end, minlength=len(changes))
    index = np.flatnonzero(np.cumsum(changes))
    if len(index) == (high - low).sum():
        return Sets(_bounds(low, high))
    numbers = np.searchsorted(begins, index, side="right") - 1
    ends = np.cumsum(np.bincount(numbers, minlength=count))
    return Sets(_bounds(np.concatenate([[0], ends[:-1]]), ends), index - offset[numbers])


def _kept(size: int, intervals: Iterator[Intervals]) -> Iterator[Intervals]:
    for numbers, low, high in intervals:
        first, end = np.maximum(low, 0), np.minimum(high, size)
        some = first < end
        yield (numbers, first, end) if some.all() else (numbers[some], first[some], end[some])


def either(left: Sets, right: Sets, size: int) -> Sets:
    """What each of two sets holds, pair by pair."""
    a, b = left.bounds, right.bounds
    no_a, no_b = a[..., 0] >= a[..., 1], b[..., 0] >= b[..., 1]
    if left.table is None and right.table is None:
        first = np.where(no_a, b[..., 0], np.where(no_b, a[..., 0], np.minimum(a[..., 0], b[..., 0])))
        end = np.where(no_a, b[..., 1], np.where(no_b, a[..., 1], np.maximum(a[..., 1], b[..., 1])))
        apart = (np.maximum(a[..., 0], b[..., 0]) > np.minimum(a[..., 1], b[..., 1])) & ~no_a & ~no_b
        if not apart.any():
            return Sets(_bounds(first, end))
    pairs, numbers = distinct_rows(np.concatenate([a, b], axis=-1))
    sides = (Sets(pairs[:, :2], left.table), Sets(pairs[:, 2:], right.table))
    found = joined(len(pairs), size, lambda: (side.runs() for side in sides))
    return Sets(found.bounds[numbers], found.table)


@dataclass(frozen=True)
class Windows:
    """The positions of an operand's axis of `size` that each position of the result reads; some may leave the axis.

    `taps` gives, one tap at a time, the first positions and those behind the last, for positions of the result. With
    `dense`, an interval of the result reads an interval, as the access map gives it.
    """

    size: int
    taps: Taps
    dense: bool

    def read(self, result: Sets) -> Sets:
        """The positions that sets of positions of the result read."""
        own, numbers = result.distinct()
        owners, positions = own.listed()

        def intervals() -> Iterator[Intervals]:
            return ((owners, first, end) for first, end in self.taps(positions))

        preimage = joined(len(own.bounds), self.size, intervals)
        return Sets(preimage.bounds[numbers], preimage.table)
