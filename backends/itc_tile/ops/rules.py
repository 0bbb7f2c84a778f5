"""Rules that several families share: access maps, windows, counts of work, and values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from itc.ir.op import Array, Op, Pair
from itc.ir.ops.spatial import Spatial
from itc.ir.types import TensorType
from itc_tile.ops.record import Evaluation, ShardedOp, Types, VectorPass, Work
from itc_tile.tiling.boxes import Boxes, nothing, volume, whole
from itc_tile.tiling.sets import Ints, Windows

# Access: boxes of the result to boxes of the operands


def everything(op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    """All of every operand but those of which only the shape is read."""
    leading = boxes.shape[:-2]
    return [
        nothing(type, boxes) if position in op.shape_only else whole(type.shape, leading)
        for position, type in enumerate(types)
    ]


def elementwise(_op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    """The access map: the same elements of every operand."""
    return [boxes for _ in types]


def windowed(boxes: Boxes, kernel: Pair, stride: Pair, pad: Pair, dilation: Pair) -> Boxes:
    read = boxes.copy()
    for axis, k, s, p, d in zip((-2, -1), kernel, stride, pad, dilation, strict=True):
        read[..., axis, 0] = boxes[..., axis, 0] * s - p
        read[..., axis, 1] = (boxes[..., axis, 1] - 1) * s - p + d * (k - 1) + 1
    return read


def spatial_window(op: Spatial, kernel: Sequence[int], dilation: Sequence[int], boxes: Boxes) -> Boxes:
    """The positions under the windows along the operation's own spatial axes, padding included."""
    read = boxes.copy()
    for axis, k, s, p, d in zip(op.axes, kernel, op.stride, op.pad, dilation, strict=True):
        read[..., axis, 0] = boxes[..., axis, 0] * s - p
        read[..., axis, 1] = (boxes[..., axis, 1] - 1) * s - p + d * (k - 1) + 1
    return read


def rows(channels: Boxes, param: TensorType) -> Boxes:
    """The part of a parameter that some channels of the result need: its first axis is these channels."""
    boxes = whole(param.shape, channels.shape[:-1])
    boxes[..., 0, :] = channels
    return boxes


# Windows: exact positions


def planes(types: Types, axes: Sequence[Windows]) -> dict[int, Windows]:
    rank = len(types[0].shape)
    return {rank - 2: axes[0], rank - 1: axes[1]}


def strided(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> Windows:
    def taps(positions: Ints) -> Iterator[tuple[Ints, Ints]]:
        first = positions * stride - pad
        if dilation == 1:
            yield first, first + kernel
            return
        for tap in range(kernel):
            yield first + tap * dilation, first + tap * dilation + 1

    return Windows(size, taps, kernel == 1 == stride or (dilation == 1 and stride <= kernel))


def spatial_windows(op: Spatial, x: TensorType, kernel: Sequence[int], dilation: Sequence[int]) -> dict[int, Windows]:
    numbers = zip(op.axes, kernel, op.stride, op.pad, dilation, strict=True)
    return {len(x.shape) + axis: strided(x.shape[axis], *each) for axis, *each in numbers}


# Work


def move_work(shards: ShardedOp) -> Work:
    """Each element of the result is loaded and stored."""
    return Work(passes=(VectorPass(shards.elements, access=1),))


def pointwise_work(simple: float = 0, special: float = 0) -> Callable[[ShardedOp], Work]:
    """One pass of these instructions for each vector; the machine's model fuses passes in a row."""
    return lambda shards: Work(passes=(VectorPass(shards.elements, simple=simple, special=special, access=1),))


def reduce_work(shards: ShardedOp) -> Work:
    """An instruction for each vector of the operand, and a division for each vector of the result."""
    reading = VectorPass(volume(shards.operands[0]), simple=1, access=1 / 2)
    return Work(passes=(reading, VectorPass(shards.elements, special=1, access=1, call=False)))


def softmax_pass(elements: Ints) -> VectorPass:
    """The maximum, the exponential with its sum, and the division."""
    return VectorPass(elements, simple=2, special=1, access=3)


# Values: stacks [shards, batch, ...]


def by_reference(shards: ShardedOp) -> Evaluation:
    """The operation's own evaluation, which sees the shards as a batch of batches."""
    return Evaluation(lambda stacks: shards.op.evaluate(*stacks)[0], shards.operands)


def along(axis: int, param: Array, rank: int) -> Array:
    """A stack of vectors as one that broadcasts along the channels of a stack of `rank` axes."""
    shape = [param.shape[0], *(1,) * (rank - 1)]
    shape[axis] = param.shape[-1]
    return param.reshape(shape)


def positions_of(box: Boxes) -> Ints:
    """The positions [shards, most] of boxes [shards, 2] along one axis; rows of smaller boxes go on beyond them."""
    most = int(np.max(box[:, 1] - box[:, 0], initial=0))
    return np.asarray(box[:, :1] + np.arange(most))


def maps(values: Callable[[ShardedOp], Evaluation]) -> Callable[[ShardedOp], Evaluation | None]:
    """Values of maps of three axes; those with more in front are computed whole."""
    return lambda shards: values(shards) if len(shards.types[0].shape) <= 3 else None
