"""Crossings: which parts of a partitioned value each reader takes, axis by axis, in memory proportional to the rows.

A region is a product of sets of positions along each axis, and so is a part of a partition. A reader meets a part if
and only if their sets meet along every axis, so the parts that it meets are the product of the intervals that it meets
along each axis. Sets and intervals that occur several times are compared once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from itc_tile.tiling.boxes import Boxes, is_empty
from itc_tile.tiling.region import Region, region_of
from itc_tile.tiling.sets import Ints, Sets


@dataclass(frozen=True, eq=False)
class _Axis:
    """Along one axis, for each reader the intervals of the partition that it meets, and what it has of each.

    Reader i has `counts[i]` meetings, from `first[i]` on in `interval` (the interval's number) and `common`.
    """

    first: Ints
    counts: Ints
    interval: Ints
    intervals: int
    common: Sets


def _axis(read: Sets, parts: Sets) -> tuple[_Axis, Ints]:
    """The meetings along an axis, and for each part the number of its interval; intervals are disjoint."""
    own, reader = read.distinct()
    intervals, part = parts.distinct()
    order = np.argsort(intervals.bounds[:, 0], kind="stable")
    begins, ends = intervals.bounds[order].T
    hull = own.hull
    low = np.searchsorted(ends, hull[:, 0], side="right")
    high = np.maximum(np.searchsorted(begins, hull[:, 1], side="left"), low) * (hull[:, 0] < hull[:, 1])
    counts = np.maximum(high - low, 0)
    numbers, interval = np.repeat(np.arange(len(counts)), counts), _ranges(low, counts)
    common = Sets(own.bounds[numbers], own.table).within(np.stack([begins, ends], axis=-1)[interval])
    meets = common.bounds[:, 0] < common.bounds[:, 1]  # of an interval between two positions, a reader has nothing
    counts = np.bincount(numbers[meets], minlength=len(counts))
    first = np.cumsum(counts) - counts
    rank = np.argsort(order)
    found = _Axis(first[reader], counts[reader], interval[meets], len(order), Sets(common.bounds[meets], own.table))
    return found, rank[part]


class Crossings:
    """The rows of a transfer from the disjoint boxes [m, rank, 2] of a partition to regions of n readers."""

    def __init__(self, read: Region, parts: Boxes) -> None:
        self._readers = len(read.boxes)
        self._held = np.flatnonzero(~is_empty(parts)[:, 0, 0])
        self._axes: list[_Axis] = []
        keys = np.zeros(len(self._held), np.int64)
        for axis in range(parts.shape[-2]):
            found, interval = _axis(read.axis(axis), Sets(parts[self._held, axis]))
            self._axes.append(found)
            keys = keys * found.intervals + interval
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    @cached_property
    def counts(self) -> Ints:
        """Rows of each reader."""
        counts = np.full(self._readers, 1 if len(self._held) else 0, np.int64)
        for axis in self._axes:
            counts *= axis.counts
        return counts

    def rows(self) -> tuple[Ints, Ints, Region]:
        """For each row, by reader and then by part: the part, the reader, and what the reader takes of the part."""
        target = np.repeat(np.arange(self._readers), self.counts)
        remaining = _ranges(np.zeros_like(self.counts), self.counts)
        keys, stride, sets = np.zeros(len(target), np.int64), 1, list[Sets]()
        for axis in reversed(self._axes):
            remaining, position = np.divmod(remaining, axis.counts[target])
            meeting = axis.first[target] + position
            keys += axis.interval[meeting] * stride
            stride *= axis.intervals
            sets.append(Sets(axis.common.bounds[meeting], axis.common.table))
        place = np.searchsorted(self._keys, keys)
        assert (self._keys.take(place, mode="clip") == keys).all(), "the parts are no partition"
        return self._held[self._order[place]], target, region_of(sets[::-1], (len(target),))


def _ranges(first: Ints, counts: Ints) -> Ints:
    """The numbers from each of `first` on, as many as its count, one range behind the other."""
    before = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) + np.repeat(first - before, counts))
