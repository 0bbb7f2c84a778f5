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
from itc.ir.ops.activation import Abs, Exp, Gelu, Log, Prelu, Silu, Sqrt
from itc.ir.ops.cast import Cast
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.matmul import Attend, MatMul
from itc.ir.ops.norm import BatchNorm, GroupNorm, LayerNorm, RmsNorm, ScaleShift
from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.pointwise import (
    Add,
    Affine,
    Detach,
    Div,
    Dropout,
    Maximum,
    Minimum,
    Mul,
    Relu,
    Relu6,
    Sigmoid,
    Sub,
    Tanh,
)  # fmt: skip
from itc.ir.ops.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool, Pool
from itc.ir.ops.position import Rope, Sinusoid
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, Reshape, Transpose
from itc.ir.ops.reduce import ArgMax, Change, ReduceMax, ReduceMean, ReduceSum, Softmax
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat, Fill, Stack
from itc.ir.ops.table import Embed, Parameter
from itc.ir.ops.unpool import MaxUnpool, PoolIndices
from itc.ir.rules import axis_of
from itc.ir.types import TensorType
from itc_tile.ops import reads
from itc_tile.tiling.boxes import Boxes, clipped, nothing, whole

Rule = Callable[[Any, Sequence[TensorType], Boxes], list[Boxes]]


def _pointwise(_op: Op, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    return [boxes for _ in types]


def _batch_norm(_op: BatchNorm | ScaleShift, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
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


def _softmax(op: Softmax, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    axis = axis_of(types[0], op.axis)
    x[..., axis, :] = [0, types[0].shape[axis]]
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
        places = op.nearest_source(size, target)
        return places, places
    low, high, _ = op.linear_source(size, target)
    return low, high


def _concat(op: Concat, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    out, before = [], 0
    axis = axis_of(types[0], op.axis)
    for type in types:
        x = boxes.copy()
        x[..., axis, :] = np.clip(boxes[..., axis, :] - before, 0, type.shape[axis])
        out.append(x)
        before += type.shape[axis]
    return out


def _fill(_op: Fill, types: Sequence[TensorType], boxes: Boxes) -> list[Boxes]:
    return [nothing(type, boxes) for type in types]


SINGLE = (
    Abs, Add, Affine, Cast, Detach, Div, Dropout, Exp, Gelu, Log, Maximum, Minimum, Mul, Relu, Relu6, Sigmoid, Silu,
    Sqrt, Sub, Tanh,
)  # fmt: skip
"""Operations on single elements: each is made of the same elements of the operands."""

ACCESS: dict[type[Op], Rule] = {
    **dict.fromkeys(SINGLE, _pointwise),
    **dict.fromkeys((MaxPool, AvgPool, PoolIndices), _pool),
    **dict.fromkeys((LayerNorm, RmsNorm), reads.along_channels),
    **dict.fromkeys((ReduceMax, ReduceMean, ReduceSum), reads.reduce),
    **dict.fromkeys((Change, Proposals, Sinusoid), reads.everything),
    AdaptivePool: reads.adaptive_pool,
    ArgMax: reads.argmax,
    Attend: reads.attend,
    BatchNorm: _batch_norm,
    ScaleShift: _batch_norm,
    Broadcast: reads.broadcast,
    ChannelShuffle: reads.all_channels,
    Concat: _concat,
    Conv: _conv,
    ConvTranspose: reads.conv_transpose,
    Embed: reads.embed,
    Fill: _fill,
    GlobalPool: _global_pool,
    GroupNorm: reads.group_norm,
    Linear: _linear,
    MatMul: reads.matmul,
    MaxUnpool: reads.planes,
    Pad: reads.pad,
    Parameter: reads.parameter,
    Prelu: reads.prelu,
    Reshape: reads.reshape,
    Resize: _resize,
    RoiAlign: reads.regions,
    Rope: reads.rope,
    Select: reads.select,
    Slice: reads.part,
    Softmax: _softmax,
    Stack: reads.stack,
    Transpose: reads.transpose,
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
