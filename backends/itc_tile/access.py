"""What each operation reads: boxes of its result go in, boxes of every operand come out; a table with a rule for each.

A rule takes the operation, the types of its operands and boxes [..., rank, 2] of its result, none of which leaves the
result. It returns boxes for each operand, none of which leaves the operand; they may be empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Op, Pair
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.norm import BatchNorm
from itc.ir.ops.pointwise import Add, Affine, Dropout, Mul, Relu, Relu6, Sigmoid, Sub, Tanh
from itc.ir.ops.pool import AvgPool, GlobalPool, MaxPool, Pool
from itc.ir.ops.reduce import Softmax
from itc.ir.ops.resize import Resize, linear_source, nearest_source
from itc.ir.ops.shape import Concat, Fill
from itc.ir.types import TensorType

Boxes = NDArray[np.int64]
Rule = Callable[[Any, Sequence[TensorType], Boxes], list[Boxes]]


def _pointwise(_op: Op, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    return [boxes for _ in types]


def _batch_norm(_op: BatchNorm, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    channels = boxes[..., types[0].channel_axis, :][..., None, :]
    return [boxes] + [channels] * (len(types) - 1)


def _conv(op: Conv, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    x, weight = types[:2]
    out, per_group, *kernel = weight.shape
    channels = boxes[..., -3, :]
    read = conv_window(op, (kernel[0], kernel[1]), boxes)
    read[..., -3, 0] = channels[..., 0] * op.groups // out * per_group
    read[..., -3, 1] = -(-channels[..., 1] * op.groups // out) * per_group
    return [clipped(read, x.shape), _rows(channels, weight), *(_rows(channels, bias) for bias in types[2:])]


def _rows(channels: Boxes, param: TensorType) -> Boxes:
    """The part of a parameter that makes some channels: its first axis is the result's channels."""
    boxes = whole(param.shape, channels.shape[:-1])
    boxes[..., 0, :] = channels
    return boxes


def _linear(_op: Linear, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    x[..., -1, :] = [0, types[0].shape[-1]]
    return [x, *(_rows(boxes[..., -1, :], param) for param in types[1:])]


def _pool(op: Pool, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    return [clipped(pool_window(op, boxes), types[0].shape)]


def _global_pool(_op: GlobalPool, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    plane = whole(types[0].shape[-2:], boxes.shape[:-2])
    return [np.concatenate([boxes, plane], axis=-2)]


def _softmax(_op: Softmax, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    x[..., types[0].channel_axis, :] = [0, types[0].channels]
    return [x]


def _resize(op: Resize, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    for axis, target in zip((-2, -1), op.sizes(*(type.shape for type in types)), strict=True):
        low, high = resize_sources(op, types[0].shape[axis], target)
        x[..., axis, 0] = low[np.minimum(boxes[..., axis, 0], target - 1)]
        x[..., axis, 1] = high[np.maximum(boxes[..., axis, 1] - 1, 0)] + 1
    return [x, *(nothing(type, boxes) for type in types[1:])]


def resize_sources(op: Resize, size: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last place that each place of the result is made of; both rise from place to place."""
    if op.mode == "nearest":
        places = nearest_source(size, target)
        return places, places
    low, high, _ = linear_source(size, target)
    return low, high


def _concat(_op: Concat, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    out, before = [], 0
    for type in types:
        x = boxes.copy()
        x[..., type.channel_axis, :] = np.clip(boxes[..., type.channel_axis, :] - before, 0, type.channels)
        out.append(x)
        before += type.channels
    return out


def _fill(_op: Fill, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    return [nothing(type, boxes) for type in types]


ACCESS: dict[type[Op], Rule] = {
    **dict.fromkeys((Add, Affine, Dropout, Mul, Relu, Relu6, Sigmoid, Sub, Tanh), _pointwise),
    BatchNorm: _batch_norm,
    Conv: _conv,
    Linear: _linear,
    MaxPool: _pool,
    AvgPool: _pool,
    GlobalPool: _global_pool,
    Softmax: _softmax,
    Resize: _resize,
    Concat: _concat,
    Fill: _fill,
}


def conv_window(op: Conv, kernel: Pair, boxes: Boxes) -> Boxes:
    """The places under the windows of a convolution's result, the padding among them; channels as in the result."""
    return _window(boxes, kernel, op.stride, op.pad, op.dilation)


def pool_window(op: Pool, boxes: Boxes) -> Boxes:
    """The places under the windows of a pool's result, the padding among them."""
    return _window(boxes, op.kernel, op.stride, op.pad, (1, 1))


def _window(boxes: Boxes, kernel: Pair, stride: Pair, pad: Pair, dilation: Pair) -> Boxes:
    read = boxes.copy()
    for axis, k, s, p, d in zip((-2, -1), kernel, stride, pad, dilation, strict=True):
        read[..., axis, 0] = boxes[..., axis, 0] * s - p
        read[..., axis, 1] = (boxes[..., axis, 1] - 1) * s - p + d * (k - 1) + 1
    return read


def clipped(boxes: Boxes, shape: tuple[int, ...]) -> Boxes:
    """The boxes without what leaves a tensor of `shape`."""
    return np.clip(boxes, 0, np.array(shape)[:, None])


def whole(shape: tuple[int, ...], leading: tuple[int, ...]) -> Boxes:
    """For each of `leading` the box of a whole tensor."""
    box = np.array([[0, size] for size in shape], np.int64).reshape(-1, 2)
    return np.broadcast_to(box, (*leading, *box.shape)).copy()


def nothing(type: TensorType, boxes: Boxes) -> Boxes:
    """For each of `boxes` an empty box of an operand of `type`."""
    return np.zeros((*boxes.shape[:-2], len(type.shape), 2), np.int64)
