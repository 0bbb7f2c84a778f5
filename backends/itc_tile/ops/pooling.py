"""Pools, of windows, of parts and of whole maps, and what puts pooled elements back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array, Op, as_float
from itc.ir.ops.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool, Pool, adaptive_edges
from itc.ir.ops.spatial import SpatialPool
from itc.ir.ops.unpool import MaxUnpool, PoolIndices
from itc_tile.ops.record import Evaluation, ShardedOp, Stacks, TileOp, Types, VectorPass, Work, register
from itc_tile.ops.rules import (
    maps,
    move_work,
    planes,
    positions_of,
    reduce_work,
    spatial_window,
    spatial_windows,
    strided,
    windowed,
)
from itc_tile.tiling.boxes import Boxes, clipped, extent, nothing, whole
from itc_tile.tiling.moves import largest
from itc_tile.tiling.sets import Windows


def pool_window(op: Pool, boxes: Boxes) -> Boxes:
    """The positions under the windows of a pool's result, padding included."""
    return windowed(boxes, op.kernel, op.stride, op.pad, (1, 1))


def pool_access(op: Pool, types: Types, boxes: Boxes) -> list[Boxes]:
    return [clipped(pool_window(op, boxes), types[0].shape)]


def pool_windows(op: Pool, types: Types) -> dict[int, Windows]:
    numbers = zip(types[0].shape[-2:], op.kernel, op.stride, op.pad, strict=True)
    return planes(types, [strided(*each) for each in numbers])


def pool_work(shards: ShardedOp) -> Work:
    window = shards.op.kernel[0] * shards.op.kernel[1]
    return Work(passes=(VectorPass(shards.elements, window=window, rows=extent(shards.result, -2)),))


def spatial_pool_access(op: SpatialPool, types: Types, boxes: Boxes) -> list[Boxes]:
    return [clipped(spatial_window(op, op.kernel, (1,) * len(op.kernel), boxes), types[0].shape)]


def spatial_pool_windows(op: SpatialPool, types: Types) -> dict[int, Windows]:
    return spatial_windows(op, types[0], op.kernel, (1,) * len(op.kernel))


def spatial_pool_work(shards: ShardedOp) -> Work:
    return Work(passes=(VectorPass(shards.elements, window=prod(shards.op.kernel), rows=extent(shards.result, -2)),))


def global_access(_op: GlobalPool, types: Types, boxes: Boxes) -> list[Boxes]:
    plane = whole(types[0].shape[-2:], boxes.shape[:-2])
    return [np.concatenate([boxes, plane], axis=-2)]


def adaptive_access(op: AdaptivePool, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    for axis, parts in zip((-2, -1), op.size, strict=True):
        first, end = adaptive_edges(types[0].shape[axis], parts)
        x[..., axis, 0] = first[np.minimum(boxes[..., axis, 0], parts - 1)]
        x[..., axis, 1] = end[np.maximum(boxes[..., axis, 1] - 1, 0)]
    return [x]


def planes_access(op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    """Whole planes of the result's channels."""
    return [
        nothing(type, boxes)
        if position in op.shape_only
        else np.concatenate([boxes[..., :-2, :], whole(type.shape[-2:], boxes.shape[:-2])], axis=-2)
        for position, type in enumerate(types)
    ]


# Values of stacks of shards [shards, batch, channels, rows, columns]


def max_values(shards: ShardedOp) -> Evaluation:
    def run(stacks: Stacks) -> Array:
        taps = _taps(shards, stacks[0])
        out = next(taps).copy()
        for tap in taps:
            np.maximum(out, tap, out=out)
        return out

    return Evaluation(run, (_frame(shards),), -np.inf, taps=prod(shards.op.kernel))


def avg_values(shards: ShardedOp) -> Evaluation:
    rows, columns = (_counts(shards, axis) for axis in (0, 1))
    counts = rows[:, None, None, :, None] * columns[:, None, None, None, :]

    def run(stacks: Stacks) -> Array:
        x = as_float(stacks[0])
        total = np.zeros((*x.shape[:3], *counts.shape[-2:]), x.dtype)
        for tap in _taps(shards, x):
            total += tap
        return np.asarray(total / counts.astype(x.dtype))

    return Evaluation(run, (_frame(shards),), taps=prod(shards.op.kernel))


def _frame(shards: ShardedOp) -> Boxes:
    frame = pool_window(shards.op, shards.result)
    frame[:, :-2] = shards.result[:, :-2]
    return frame


def _taps(shards: ShardedOp, x: Array) -> Iterator[Array]:
    """For each position of the window a stack of the result's size."""
    op: Pool = shards.op
    *_, rows, columns = largest(shards.result)
    for i in range(op.kernel[0]):
        for j in range(op.kernel[1]):
            down = slice(i, i + op.stride[0] * (rows - 1) + 1, op.stride[0])
            across = slice(j, j + op.stride[1] * (columns - 1) + 1, op.stride[1])
            yield x[..., down, across]


def _counts(shards: ShardedOp, axis: int) -> NDArray[np.int64]:
    """For each shard and position of the result along a spatial axis, the positions of the padded map it averages."""
    op: AvgPool = shards.op
    size, k, s, p = shards.types[0].shape[axis - 2], op.kernel[axis], op.stride[axis], op.pad[axis]
    first = positions_of(shards.result[:, axis - 2]) * s - p
    return np.maximum(np.minimum(first + k, size + p) - first, 1)


def adaptive_values(shards: ShardedOp) -> Evaluation:
    """Means along one axis after the other, as the reference: position by position of the longest window."""
    windows = [_adaptive_windows(shards, axis) for axis in (0, 1)]

    def run(stacks: Stacks) -> Array:
        x = stacks[0]
        for axis, (first, length) in zip((-2, -1), windows, strict=True):
            x = _window_means(x, axis, first, length)
        return x

    return Evaluation(run, shards.operands, taps=2 * sum(int(length.max(initial=0)) for _, length in windows))


def _adaptive_windows(shards: ShardedOp, axis: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First position in the shard's box and length of the windows [shards, most] along a spatial axis."""
    parts, box = shards.op.size[axis], shards.operands[0][:, axis - 2]
    edges = adaptive_edges(shards.types[0].shape[axis - 2], parts)
    positions = np.minimum(positions_of(shards.result[:, axis - 2]), parts - 1)
    first, end = (edge[positions] for edge in edges)
    return first - box[:, :1], end - first


def _window_means(x: Array, axis: int, first: NDArray[np.int64], length: NDArray[np.int64]) -> Array:
    """Means over windows along one axis of a stack; those of a window beyond the shard's box are arbitrary."""
    spread = (slice(None), None, None, *((slice(None), None) if axis == -2 else (None, slice(None))))
    total: Array = np.zeros((), x.dtype)
    for tap in range(int(length.max(initial=0))):
        at = np.clip(first + tap, 0, x.shape[axis] - 1)
        total = total + np.where((tap < length)[spread], np.take_along_axis(x, at[spread], axis), x.dtype.type(0))
    return np.asarray(total / np.maximum(length, 1).astype(x.dtype)[spread])


def global_values(shards: ShardedOp) -> Evaluation:
    return Evaluation(lambda stacks: stacks[0].mean((-2, -1)), shards.operands)


def _pool(values: Callable[[ShardedOp], Evaluation] | None) -> TileOp:
    return TileOp(
        access=pool_access,
        work=pool_work,
        evaluate=maps(values) if values else lambda _: None,
        windows=pool_windows,
        copy_like=lambda op: op.kernel == op.stride == (1, 1),
    )


register(MaxPool, _pool(max_values))
register(AvgPool, _pool(avg_values))
register(PoolIndices, _pool(None))
register(GlobalPool, TileOp(global_access, reduce_work, global_values))
register(AdaptivePool, TileOp(adaptive_access, reduce_work, maps(adaptive_values)))
register(MaxUnpool, TileOp(planes_access, move_work))
register(SpatialPool, TileOp(spatial_pool_access, spatial_pool_work, windows=spatial_pool_windows))
