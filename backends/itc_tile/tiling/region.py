"""Regions: what tiles hold of a value, a set of positions along each axis; a box wherever none is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc_tile.tiling.boxes import Boxes, emptied
from itc_tile.tiling.sets import Ints, Sets, distinct_rows, either


@dataclass(frozen=True, eq=False)
class Region:
    """For each of the leading axes of `boxes` [..., rank, 2] the product of one set of positions for each axis.

    Along an axis with a table, by its number, a box counts in the table: see `Sets`. Empty boxes are all zeros.
    """

    boxes: Boxes
    tables: Mapping[int, Ints] = field(default_factory=dict)

    def axis(self, axis: int) -> Sets:
        """The sets along an axis."""
        return Sets(self.boxes[..., axis, :], self.tables.get(axis))

    @cached_property
    def hull(self) -> Boxes:
        """The box around each product."""
        boxes = self.boxes.copy() if self.tables else self.boxes
        for axis in self.tables:
            boxes[..., axis, :] = self.axis(axis).hull
        return boxes

    @cached_property
    def extents(self) -> Boxes:
        """Boxes that begin where the products do and are as long along each axis as there are positions."""
        boxes = self.boxes.copy() if self.tables else self.boxes
        for axis in self.tables:
            first = self.hull[..., axis, :1]
            boxes[..., axis, :] = first + self.boxes[..., axis, :] - self.boxes[..., axis, :1]
        return boxes

    def take(self, index: Any) -> Region:
        """The products that an index of the leading axes chooses."""
        return Region(self.boxes[index], self.tables)

    def positions(self, shard: int) -> list[Ints]:
        """The positions of one product, by axis."""
        return [self.axis(axis).take(shard) for axis in range(self.boxes.shape[-2])]

    def identities(self) -> Ints:
        """Numbers [..., n] that are the same for equal products."""
        columns = [number for axis in range(self.boxes.shape[-2]) for number in self._identity(axis)]
        none = np.zeros((*self.boxes.shape[:-2], 0), np.int64)
        return np.stack(columns, axis=-1) if columns else none

    def _identity(self, axis: int) -> tuple[Ints, ...]:
        if axis not in self.tables:
            return self.boxes[..., axis, 0], self.boxes[..., axis, 1]
        sets, numbers = self.axis(axis).distinct()
        known: dict[bytes, int] = {}
        names = [known.setdefault(sets.take(at).tobytes(), len(known)) for at in range(len(sets.bounds))]
        return (np.array(names, np.int64)[numbers],)


def region_of(sets: Sequence[Sets], leading: tuple[int, ...]) -> Region:
    """The products of sets [leading], one for each axis."""
    boxes = np.zeros((*leading, len(sets), 2), np.int64)
    for axis, each in enumerate(sets):
        boxes[..., axis, :] = each.bounds
    return Region(emptied(boxes), {axis: each.table for axis, each in enumerate(sets) if each.table is not None})


def union(left: Region, right: Region, shape: tuple[int, ...]) -> Region:
    """For each axis the positions of both: the least product that holds two."""
    if left.boxes is right.boxes and left.tables is right.tables:
        return left
    sets = [either(left.axis(axis), right.axis(axis), size) for axis, size in enumerate(shape)]
    return region_of(sets, left.boxes.shape[:-2])


def shared(left: Region, right: Region) -> Region:
    """What two regions hold both, shard by shard, if along each axis one of the two has no table."""
    sets = []
    for axis in range(left.boxes.shape[-2]):
        a, b = left.axis(axis), right.axis(axis)
        assert a.table is None or b.table is None, "two tables along one axis"
        sets.append(b.within(a.bounds) if a.table is None else a.within(b.bounds))
    return region_of(sets, left.boxes.shape[:-2])


def contained(inner: Region, outer: Region) -> NDArray[np.bool_]:
    """Whether each product of one region lies in that of another."""
    inside = np.ones(len(inner.boxes), np.bool_)
    for axis in range(inner.boxes.shape[-2]):
        inside &= _within(inner.axis(axis), outer.axis(axis))
    return inside


def _within(inner: Sets, outer: Sets) -> NDArray[np.bool_]:
    if inner.table is None and outer.table is None:
        return (inner.bounds[:, 0] >= outer.bounds[:, 0]) & (inner.bounds[:, 1] <= outer.bounds[:, 1])
    pairs, numbers = distinct_rows(np.concatenate([inner.bounds, outer.bounds], axis=-1))
    left, right = Sets(pairs[:, :2], inner.table), Sets(pairs[:, 2:], outer.table)
    found = [bool(np.isin(left.take(pair), right.take(pair)).all()) for pair in range(len(pairs))]
    return np.array(found, np.bool_)[numbers]
