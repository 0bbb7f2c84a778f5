"""Pools on stacks of shards [shards, batch, channels, rows, columns]."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array, as_float
from itc.ir.ops.pool import AvgPool, Pool
from itc_tile.ops.access import pool_window
from itc_tile.simulate.evaluation import Evaluation, Shards, Stacks, places_of
from itc_tile.simulate.moves import largest
from itc_tile.tiling.boxes import Boxes


def max_pool(shards: Shards) -> Evaluation:
    def run(stacks: Stacks) -> Array:
        seen = _pool_taps(shards, stacks[0])
        out = next(seen).copy()
        for tap in seen:
            np.maximum(out, tap, out=out)
        return out

    return Evaluation(run, (_pool_frame(shards),), -np.inf)


def avg_pool(shards: Shards) -> Evaluation:
    rows, columns = (_counts(shards, axis) for axis in (0, 1))
    counts = rows[:, None, None, :, None] * columns[:, None, None, None, :]

    def run(stacks: Stacks) -> Array:
        x = as_float(stacks[0])
        total = np.zeros((*x.shape[:3], *counts.shape[-2:]), x.dtype)
        for tap in _pool_taps(shards, x):
            total += tap
        return np.asarray(total / counts.astype(x.dtype))

    return Evaluation(run, (_pool_frame(shards),))


def _pool_frame(shards: Shards) -> Boxes:
    frame = pool_window(shards.op, shards.made)
    frame[:, :-2] = shards.made[:, :-2]
    return frame


def _pool_taps(shards: Shards, x: Array) -> Iterator[Array]:
    """What each place of the window sees: stacks of the result's size."""
    op: Pool = shards.op
    *_, rows, columns = largest(shards.made)
    for i in range(op.kernel[0]):
        for j in range(op.kernel[1]):
            down = slice(i, i + op.stride[0] * (rows - 1) + 1, op.stride[0])
            across = slice(j, j + op.stride[1] * (columns - 1) + 1, op.stride[1])
            yield x[..., down, across]


def _counts(shards: Shards, axis: int) -> NDArray[np.int64]:
    """For each shard and place of the result along a spatial axis, how many places of the padded map it averages."""
    op: AvgPool = shards.op
    size, k, s, p = shards.types[0].shape[axis - 2], op.kernel[axis], op.stride[axis], op.pad[axis]
    first = places_of(shards.made[:, axis - 2]) * s - p
    return np.maximum(np.minimum(first + k, size + p) - first, 1)


def global_pool(shards: Shards) -> Evaluation:
    return Evaluation(lambda stacks: stacks[0].mean((-2, -1)), shards.read)
