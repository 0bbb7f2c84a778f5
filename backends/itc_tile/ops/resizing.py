"""Resizing of maps, to the nearest element, bilinear or bicubic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array
from itc.ir.ops.resize import Resize
from itc_tile.ops.record import Evaluation, ShardedOp, Stacks, TileOp, Types, VectorPass, Work, register
from itc_tile.ops.rules import maps, planes, positions_of
from itc_tile.tiling.boxes import Boxes, nothing
from itc_tile.tiling.sets import Ints, Windows

Along = Callable[[Array], Array]


def resize_access(op: Resize, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    for axis, target in zip((-2, -1), op.sizes(*(type.shape for type in types)), strict=True):
        low, high = sources(op, types[0].shape[axis], target)
        x[..., axis, 0] = low[np.minimum(boxes[..., axis, 0], target - 1)]
        x[..., axis, 1] = high[np.maximum(boxes[..., axis, 1] - 1, 0)] + 1
    return [x, *(nothing(type, boxes) for type in types[1:])]


def sources(op: Resize, size: int, target: int) -> tuple[Ints, Ints]:
    """The first and the last position that each position of the result reads; both are monotonic."""
    taps = op.sources(size, target)
    return taps[0][0], taps[-1][0]


def resize_windows(op: Resize, types: Types) -> dict[int, Windows]:
    targets = op.sizes(*(type.shape for type in types))
    return planes(types, [_between(op, *sizes) for sizes in zip(types[0].shape[-2:], targets, strict=True)])


def _between(op: Resize, size: int, target: int) -> Windows:
    low, high = sources(op, size, target)
    dense = bool((low[1:] <= high[:-1] + 1).all())
    return Windows(size, lambda positions: iter([(low[positions], high[positions] + 1)]), dense)


def resize_work(shards: ShardedOp) -> Work:
    """Nearest: a copy. Bilinear: four products for each element, bicubic 16."""
    products = {"nearest": 0, "bilinear": 4, "bicubic": 16}[shards.op.mode]
    return Work(passes=(VectorPass(shards.elements, multiply_add=products, access=1),))


# Values of stacks of shards [shards, batch, channels, rows, columns]


def resize_values(shards: ShardedOp) -> Evaluation:
    op: Resize = shards.op
    along = _nearest if op.mode == "nearest" else _weighted
    down, across = op.sizes(*(type.shape for type in shards.types))
    rows, columns = along(shards, -2, down), along(shards, -1, across)

    def run(stacks: Stacks) -> Array:
        return rows(columns(stacks[0]))

    return Evaluation(run, shards.operands)


def _nearest(shards: ShardedOp, axis: int, target: int) -> Along:
    return _Take(shards, axis, shards.op.nearest_source(shards.types[0].shape[axis], target)).run


def _weighted(shards: ShardedOp, axis: int, target: int) -> Along:
    taps = shards.op.sources(shards.types[0].shape[axis], target)
    takes = [_Take(shards, axis, pixels) for pixels, _ in taps]
    places = np.minimum(positions_of(shards.result[:, axis]), target - 1)
    shares = [weight[places] for _, weight in taps]
    shares = [s[:, None, None, :, None] if axis == -2 else s[:, None, None, None, :] for s in shares]

    def run(x: Array) -> Array:
        out: Array = takes[0].run(x)
        out *= shares[0].astype(x.dtype)
        for take, share in zip(takes[1:], shares[1:], strict=True):
            out += take.run(x) * share.astype(x.dtype)
        return out

    return run


class _Take:
    """Takes, along one axis, the position `source` of the operand for each position of a shard's result."""

    def __init__(self, shards: ShardedOp, axis: int, source: NDArray[np.int64]) -> None:
        self.axis = axis
        read, result = shards.operands[0][:, axis], shards.result[:, axis]
        positions = source[np.minimum(positions_of(result), len(source) - 1)] - read[:, :1]
        positions = np.clip(positions, 0, int((read[:, 1] - read[:, 0]).max()) - 1)
        self.patterns, kind = np.unique(positions, axis=0, return_inverse=True)
        self.members = [np.flatnonzero(kind.reshape(-1) == number) for number in range(len(self.patterns))]

    def run(self, x: Array) -> Array:
        shape = list(x.shape)
        shape[self.axis] = self.patterns.shape[1]
        out = np.empty(shape, x.dtype)
        for pattern, rows in zip(self.patterns, self.members, strict=True):
            out[rows] = x[rows].take(pattern, self.axis)
        return out


register(
    Resize,
    TileOp(
        access=resize_access,
        work=resize_work,
        evaluate=maps(resize_values),
        windows=resize_windows,
        copy_like=lambda op: op.mode == "nearest",
    ),
)
