"""Convolutions, transposed ones among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from itc.ir.op import Array, Pair
from itc.ir.ops.conv import Conv
from itc.ir.ops.conv import Convolution as ConvolutionOp
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.dynamic_conv import DynamicConv
from itc.ir.ops.spatial import SpatialConv
from itc.ir.types import TensorType
from itc_tile.ops.record import Evaluation, Product, ShardedOp, Stacks, TileOp, Types, Work, register
from itc_tile.ops.rules import along, planes, rows, spatial_window, spatial_windows, strided, windowed
from itc_tile.ops.stacked_convolution import Convolution
from itc_tile.tiling.boxes import Boxes, clipped, extent, multiples, volume, whole
from itc_tile.tiling.sets import Ints, Windows

# Access: boxes of the result to boxes of the operands


def conv_window(op: Conv, kernel: Pair, boxes: Boxes) -> Boxes:
    """The positions under the windows of a convolution's result, padding included; channels as in the result."""
    return windowed(boxes, kernel, op.stride, op.pad, op.dilation)


def conv_access(op: Conv, types: Types, boxes: Boxes) -> list[Boxes]:
    x, weight = types[:2]
    out, per_group, *kernel = weight.shape
    channels = boxes[..., -3, :]
    read = conv_window(op, (kernel[0], kernel[1]), boxes)
    read[..., -3, 0] = channels[..., 0] * op.groups // out * per_group
    read[..., -3, 1] = -(-channels[..., 1] * op.groups // out) * per_group
    return [clipped(read, x.shape), *(rows(channels, param) for param in types[1:])]


def transposed_access(op: ConvTranspose, types: Types, boxes: Boxes) -> list[Boxes]:
    """The positions, `stride` apart, whose kernels reach a position of the result, in its group of channels."""
    x, weight = types[:2]
    read = boxes.copy()
    for axis, k, s, p, d in zip((-2, -1), weight.shape[2:], op.stride, op.pad, op.dilation, strict=True):
        read[..., axis, 0] = -(-(boxes[..., axis, 0] + p - d * (k - 1)) // s)
        read[..., axis, 1] = (boxes[..., axis, 1] - 1 + p) // s + 1
    channels, per_group = boxes[..., -3, :], weight.shape[1]
    groups = multiples(channels, per_group) // per_group
    read[..., -3, :] = groups * (x.channels // op.groups)
    kernels = whole(weight.shape, boxes.shape[:-2])
    kernels[..., 0, :] = read[..., -3, :]
    within = channels - groups[..., :1] * per_group
    kernels[..., 1, :] = np.where(groups[..., 1:] - groups[..., :1] == 1, within, [0, per_group])
    return [clipped(read, x.shape), kernels, *(channels[..., None, :] for _ in types[2:])]


def spatial_access(op: SpatialConv, types: Types, boxes: Boxes) -> list[Boxes]:
    x, weight = types[:2]
    out, per_group, *kernel = weight.shape
    read = spatial_window(op, tuple(kernel), op.dilation, boxes)
    channels = boxes[..., x.channel_axis, :]
    read[..., x.channel_axis, 0] = channels[..., 0] * op.groups // out * per_group
    read[..., x.channel_axis, 1] = -(-channels[..., 1] * op.groups // out) * per_group
    return [clipped(read, x.shape), *(rows(channels, param) for param in types[1:])]


# Windows: the exact positions along the rows and columns


def spread(size: int, kernel: int, stride: int, pad: int, dilation: int) -> Windows:
    """The positions whose kernels reach a position: they are `stride` apart, so that some taps reach none."""

    def taps(positions: Ints) -> Iterator[tuple[Ints, Ints]]:
        at = positions + pad
        if dilation == 1:
            yield -(-(at - kernel + 1) // stride), at // stride + 1
            return
        for tap in range(kernel):
            source, rest = np.divmod(at - tap * dilation, stride)
            yield source, source + (rest == 0)

    return Windows(size, taps, dilation == 1 or kernel == 1)


def _along_axes(windows: Callable[..., Windows]) -> Callable[[ConvolutionOp, Types], dict[int, Windows]]:
    def rule(op: ConvolutionOp, types: Types) -> dict[int, Windows]:
        numbers = zip(types[0].shape[-2:], types[1].shape[2:], op.stride, op.pad, op.dilation, strict=True)
        return planes(types, [windows(*each) for each in numbers])

    return rule


def spatial_taps(op: SpatialConv, types: Types) -> dict[int, Windows]:
    return spatial_windows(op, types[0], types[1].shape[2:], op.dilation)


# Work


def conv_work(shards: ShardedOp) -> Work:
    weight = shards.types[1].shape
    return _convolution_work(shards, prod(weight[2:]), weight[1], weight[0])


def transposed_work(shards: ShardedOp) -> Work:
    """A position of the result has only every `stride`-th tap of the kernel."""
    op, weight = shards.op, shards.types[1].shape
    taps = -(-weight[2] // op.stride[0]) * -(-weight[3] // op.stride[1])
    return _convolution_work(shards, taps, weight[0] // op.groups, weight[1] * op.groups)


def _convolution_work(shards: ShardedOp, taps: int, inputs: int, channels: int) -> Work:
    """Sums over `taps` x `inputs`, for `channels` in all groups of the whole result."""
    axis = shards.types[0].channel_axis
    produced = shards.result[..., axis, :]
    positions = volume(np.delete(shards.result, axis, axis=-2))
    per_group = channels // shards.op.groups
    groups = np.maximum(-(-produced[..., 1] // per_group) - produced[..., 0] // per_group, 0)
    return Work((Product(positions, taps, inputs, np.minimum(extent(shards.result, axis), per_group), groups),))


# Values


def conv_values(shards: ShardedOp) -> Evaluation:
    weight = shards.types[1].shape
    x = conv_window(shards.op, (weight[2], weight[3]), shards.result)
    x[:, -3] = conv_access(shards.op, shards.types, shards.result)[0][:, -3]
    plan = Convolution(shards.op, weight, x[:, -3:], shards.result[:, -3:]).plan()

    def run(stacks: Stacks) -> Array:
        *around, channels, rows, columns = stacks[0].shape  # regions are more maps of a batch
        out = plan(stacks[0].reshape(around[0], -1, channels, rows, columns), stacks[1])
        out = out.reshape(*around, *out.shape[2:])
        return out if len(stacks) < 3 else np.add(out, along(-3, stacks[2], out.ndim), out=out)

    result = shards.apply.result.tensor
    unfolded = result.size // result.channels * prod(weight[1:])
    return Evaluation(run, (x, *shards.operands[1:]), taps=prod(weight[2:]), unfolded=unfolded)


def whole_groups(op: ConvolutionOp | SpatialConv, result: TensorType) -> int:
    return 1 if op.groups == 1 else result.channels // op.groups


register(
    Conv,
    TileOp(
        access=conv_access,
        work=conv_work,
        evaluate=conv_values,
        windows=_along_axes(strided),
        granularity=whole_groups,
    ),
)
register(ConvTranspose, TileOp(transposed_access, transposed_work, windows=_along_axes(spread)))
register(DynamicConv, TileOp(conv_access, conv_work, windows=_along_axes(strided), granularity=whole_groups))
register(SpatialConv, TileOp(spatial_access, conv_work, windows=spatial_taps, granularity=whole_groups))
