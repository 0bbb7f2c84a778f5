"""Copying boxes between stacks: arrays whose first axis is the shard, each of which holds a box of one value.

A stack is as large along each axis as its largest shard; smaller ones begin at its origin and leave the rest zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array
from itc_tile.tiling.partition import Boxes, intersection, is_empty

Shards = NDArray[np.int64]
Selection = tuple[Any, ...]


def largest(boxes: Boxes) -> tuple[int, ...]:
    """The sizes of a stack that holds these boxes [shards, rank, 2]."""
    sizes = np.maximum(boxes[..., 1] - boxes[..., 0], 0)
    return tuple(int(size) for size in sizes.max(axis=0, initial=0))


class Moves:
    """Copies from one stack to another: row i takes `boxes[i]` from shard `source[i]` to shard `target[i]`.

    Rows that lie alike in both stacks are one step.
    """

    def __init__(self, held: Boxes, source: Shards, into: Boxes, target: Shards, boxes: Boxes) -> None:
        self.steps = list(_steps(held, source, into, target, boxes))

    def run(self, source: Array, target: Array) -> None:
        """Copies; both arrays are [shards, batch, ...]."""
        for reading, writing in self.steps:
            target[writing] = source[reading]

    def cover(self, into: Boxes) -> NDArray[np.bool_]:
        """What the copies write, as a stack [shards, ...] of truth values."""
        covered = np.zeros((len(into), 1, *largest(into)), np.bool_)
        for _, writing in self.steps:
            covered[writing] = True
        return covered[:, 0]


def fitting(held: Boxes, into: Boxes) -> Moves | None:
    """The copies within each shard from the box it holds to another, as far as they meet; none if the two are equal."""
    if np.array_equal(held, into):
        return None
    shards = np.arange(len(held))
    common = intersection(held, into)
    some = ~is_empty(common)[:, 0, 0]
    return Moves(held, shards[some], into, shards[some], common[some])


def inside(boxes: Boxes) -> NDArray[np.bool_]:
    """The places of a stack that its shards hold, as a stack [shards, ...] of truth values."""
    sizes, shape = np.maximum(boxes[..., 1] - boxes[..., 0], 0), largest(boxes)
    held = np.ones((len(boxes), *shape), np.bool_)
    for axis, size in enumerate(shape):
        within = np.arange(size) < sizes[:, axis, None]
        held &= within.reshape(len(boxes), *(size if a == axis else 1 for a in range(len(shape))))
    return held


def _steps(
    held: Boxes, source: Shards, into: Boxes, target: Shards, boxes: Boxes
) -> Iterator[tuple[Selection, Selection]]:
    """Index expressions into the source and the target, one pair for all rows of equal offsets and sizes."""
    if not len(source):
        return
    reading = boxes - held[source][..., :1]
    writing = boxes - into[target][..., :1]
    kinds = np.concatenate([reading, writing], axis=1).reshape(len(source), -1)
    _, first, kind = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(kind.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(kind.reshape(-1)))
    for at, rows in zip(first, np.split(order, ends[:-1]), strict=True):
        yield (
            (_shards(source[rows]), slice(None), *_slices(reading[at])),
            (_shards(target[rows]), slice(None), *_slices(writing[at])),
        )


def _slices(box: NDArray[np.int64]) -> tuple[slice, ...]:
    return tuple(slice(int(first), int(end)) for first, end in box)


def _shards(rows: Shards) -> Any:
    """An index of the shards `rows`: a slice where they are in a row."""
    if len(rows) == 1 or (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
