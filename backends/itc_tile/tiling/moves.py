"""Copies between stacks: arrays whose first axis is the shard, each with a region of one value.

A stack is as large along each axis as its largest shard; smaller shards begin at its origin, and the rest is zero. The
positions of a shard are packed: positions outside its region take no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array
from itc_tile.tiling.boxes import Boxes, is_empty
from itc_tile.tiling.region import Region, shared
from itc_tile.tiling.sets import Ints, Sets, distinct_rows

Positions = slice | Ints


def largest(boxes: Boxes) -> tuple[int, ...]:
    """The sizes of a stack that holds these boxes [shards, rank, 2]."""
    sizes = np.maximum(boxes[..., 1] - boxes[..., 0], 0)
    return tuple(int(size) for size in sizes.max(axis=0, initial=0))


@dataclass(frozen=True, eq=False)
class Selection:
    """Part of a stack: some shards, and for each axis a slice or a list of positions."""

    shards: Any
    positions: tuple[Positions, ...]

    def of(self, stack: Array) -> Array:
        out = stack[(self.shards, slice(None), *(p if isinstance(p, slice) else slice(None) for p in self.positions))]
        for axis, positions in enumerate(self.positions):
            if not isinstance(positions, slice):
                out = out.take(positions, axis + 2)
        return out

    def put(self, stack: Array, part: Any) -> None:
        if all(isinstance(positions, slice) for positions in self.positions):
            stack[(self.shards, slice(None), *self.positions)] = part
            return
        sizes = (len(stack), stack.shape[1], *stack.shape[2:])
        index = (self.shards, slice(None), *self.positions)
        listed = (
            np.arange(*at.indices(size)) if isinstance(at, slice) else at for at, size in zip(index, sizes, strict=True)
        )
        stack[np.ix_(*listed)] = part


class Moves:
    """Copies from one stack to another: row i takes part i of `region` from shard `source[i]` to shard `target[i]`.

    Rows of equal layout in both stacks are one step.
    """

    def __init__(self, held: Region, source: Ints, into: Region, target: Ints, region: Region) -> None:
        self.steps = list(_steps(held.take(source), source, into.take(target), target, region))

    def run(self, source: Array, target: Array) -> None:
        """Runs the copies; both arrays are [shards, batch, ...]."""
        for reading, writing in self.steps:
            writing.put(target, reading.of(source))

    def cover(self, into: Boxes) -> NDArray[np.bool_]:
        """Mask [shards, ...] of the elements that the copies write."""
        covered = np.zeros((len(into), 1, *largest(into)), np.bool_)
        for _, writing in self.steps:
            writing.put(covered, True)
        return covered[:, 0]


def fitting(held: Region, into: Region) -> Moves | None:
    """The copies within each shard from the region it holds to another, as far as they meet; none if both are one.

    Along each axis one of the two has no table.
    """
    if held is into or (not held.tables and not into.tables and np.array_equal(held.boxes, into.boxes)):
        return None
    shards = np.arange(len(held.boxes))
    common = shared(held, into)
    some = ~is_empty(common.boxes)[:, 0, 0]
    return Moves(held, shards[some], into, shards[some], common.take(some))


def fitted(stack: Array, moves: Moves | None, boxes: Boxes, padding: float = 0.0) -> Array:
    """A stack copied into one of other boxes, with `padding` where these exceed the copies."""
    if moves is None:
        return stack
    out = np.full((len(boxes), stack.shape[1], *largest(boxes)), padding, stack.dtype)
    moves.run(stack, out)
    return out


def inside(boxes: Boxes) -> NDArray[np.bool_]:
    """The positions of a stack that its shards hold, as a stack [shards, ...] of truth values."""
    sizes, shape = np.maximum(boxes[..., 1] - boxes[..., 0], 0), largest(boxes)
    held = np.ones((len(boxes), *shape), np.bool_)
    for axis, size in enumerate(shape):
        within = np.arange(size) < sizes[:, axis, None]
        held &= within.reshape(len(boxes), *(size if a == axis else 1 for a in range(len(shape))))
    return held


def _steps(
    held: Region, source: Ints, into: Region, target: Ints, region: Region
) -> Iterator[tuple[Selection, Selection]]:
    """Source and target selections, one pair for all rows of equal layout in both stacks."""
    if not len(source):
        return
    reading, writing = _StackLayout(held, region), _StackLayout(into, region)
    kinds = np.concatenate([reading.kinds, writing.kinds], axis=1)
    _, first, kind = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(kind.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(kind.reshape(-1)))
    for at, rows in zip(first, np.split(order, ends[:-1]), strict=True):
        yield (
            Selection(_shards(source[rows]), reading.positions(at)),
            Selection(_shards(target[rows]), writing.positions(at)),
        )


class _StackLayout:
    """Where rows lie in stacks: for each axis an interval of positions, or the number of a list of them."""

    def __init__(self, held: Region, region: Region) -> None:
        rank = region.boxes.shape[-2]
        self.lists: dict[int, list[Positions]] = {}
        columns = [column for axis in range(rank) for column in self._axis(axis, held, region)]
        self.kinds = np.stack(columns, axis=1) if columns else np.zeros((len(region.boxes), 0), np.int64)

    def _axis(self, axis: int, held: Region, region: Region) -> tuple[Ints, Ints]:
        own, rows = held.axis(axis), region.axis(axis)
        if own.table is rows.table:
            first = own.bounds[:, 0]
            return rows.bounds[:, 0] - first, rows.bounds[:, 1] - first
        pairs, numbers = distinct_rows(np.concatenate([own.bounds, rows.bounds], axis=-1))
        stacks, parts = Sets(pairs[:, :2], own.table), Sets(pairs[:, 2:], rows.table)
        known: dict[bytes, int] = {}
        lists = self.lists.setdefault(axis, [])
        names = []
        for at in range(len(pairs)):
            positions = np.searchsorted(stacks.take(at), parts.take(at))
            names.append(known.setdefault(positions.tobytes(), len(known)))
            if names[-1] == len(lists):
                lists.append(_regular(positions))
        found = np.array(names, np.int64)[numbers]
        return found, found

    def positions(self, row: int) -> tuple[Positions, ...]:
        """For each axis the positions of a row."""
        pairs = self.kinds[row].reshape(-1, 2).tolist()
        return tuple(
            self.lists[axis][first] if axis in self.lists else slice(first, end)
            for axis, (first, end) in enumerate(pairs)
        )


def _regular(positions: Ints) -> Positions:
    """Places as a slice where they are equally far apart."""
    steps = np.diff(positions)
    if not len(steps) or (steps != steps[0]).any():
        return positions
    return slice(int(positions[0]), int(positions[-1]) + 1, int(steps[0]))


def _shards(rows: Ints) -> Any:
    """An index of the shards `rows`: a slice where they are in a row."""
    if len(rows) == 1 or (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
