"""Access rules of the operations that do not work place by place: norms, reductions, products, and what moves elements.

Each rule is one of `itc_tile.ops.access`: boxes of the result in, boxes of every operand out. What is chosen by values
(indices, ids, regions) may be anywhere, so that all of it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from itc.ir.op import Op
from itc.ir.ops.activation import Prelu
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.matmul import Attend, MatMul
from itc.ir.ops.norm import GroupNorm, Norm
from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.pool import AdaptivePool, adaptive_edges
from itc.ir.ops.position import Rope
from itc.ir.ops.rearrange import Reshape, Transpose, broadcast_shape
from itc.ir.ops.reduce import ArgMax, Reduce
from itc.ir.ops.shape import Stack
from itc.ir.ops.table import Embed
from itc.ir.rules import axis_of
from itc.ir.types import TensorType
from itc_tile.tiling.boxes import Boxes, clipped, multiples, nothing, whole

Types = Sequence[TensorType]


def everything(op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    """All of every operand but those of which only the shape is read."""
    leading = boxes.shape[:-2]
    return [
        nothing(type, boxes) if position in op.shape_only else whole(type.shape, leading)
        for position, type in enumerate(types)
    ]


def conv_transpose(op: ConvTranspose, types: Types, boxes: Boxes) -> list[Boxes]:
    """A place of the result is made of those whose kernels, `stride` apart, reach it; in its group of channels."""
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


def prelu(_op: Prelu, types: Types, boxes: Boxes) -> list[Boxes]:
    slope = whole(types[1].shape, boxes.shape[:-2])
    if types[1].size > 1:
        slope = boxes[..., types[0].channel_axis, :][..., None, :]
    return [boxes, slope]


def along_channels(_op: Norm, types: Types, boxes: Boxes) -> list[Boxes]:
    """All channels at the same places, and the parameters of the channels that are made."""
    axis = types[0].channel_axis
    x = boxes.copy()
    x[..., axis, :] = [0, types[0].channels]
    return [x, *(boxes[..., axis, :][..., None, :] for _ in types[1:])]


def group_norm(op: GroupNorm, types: Types, boxes: Boxes) -> list[Boxes]:
    """The groups of the channels that are made, at all places."""
    x, axis = boxes.copy(), types[0].channel_axis
    x[..., axis, :] = multiples(boxes[..., axis, :], types[0].channels // op.groups)
    if axis == -3:
        x[..., -2:, :] = whole(types[0].shape[-2:], boxes.shape[:-2])
    return [x, *(boxes[..., axis, :][..., None, :] for _ in types[1:])]


def adaptive_pool(op: AdaptivePool, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    for axis, parts in zip((-2, -1), op.size, strict=True):
        first, end = adaptive_edges(types[0].shape[axis], parts)
        x[..., axis, 0] = first[np.minimum(boxes[..., axis, 0], parts - 1)]
        x[..., axis, 1] = end[np.maximum(boxes[..., axis, 1] - 1, 0)]
    return [x]


def planes(op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    """Whole planes of the channels that are made."""
    return [
        nothing(type, boxes)
        if position in op.shape_only
        else np.concatenate([boxes[..., :-2, :], whole(type.shape[-2:], boxes.shape[:-2])], axis=-2)
        for position, type in enumerate(types)
    ]


def reduce(op: Reduce, types: Types, boxes: Boxes) -> list[Boxes]:
    """All places along the axes that go, the same along the others."""
    x = whole(types[0].shape, boxes.shape[:-2])
    gone = op.positions(len(types[0].shape))
    kept = [axis for axis in range(len(types[0].shape)) if axis not in gone]
    x[..., kept, :] = boxes[..., kept if op.keep else slice(None), :]
    return [x]


def argmax(op: ArgMax, types: Types, boxes: Boxes) -> list[Boxes]:
    axis = axis_of(types[0], op.axis)
    return [np.insert(boxes, axis, [0, types[0].shape[axis]], axis=-2)]


def stack(op: Stack, types: Types, boxes: Boxes) -> list[Boxes]:
    """The same places of those operands that are among what is made."""
    axis = len(types[0].shape) + 1 + op.axis
    first, end = boxes[..., axis, 0], boxes[..., axis, 1]
    box = np.delete(boxes, axis, axis=-2)
    chosen = ((first <= position) & (position < end) for position in range(len(types)))
    if not types[0].shape:
        return [box for _ in types]
    return [box * inside[..., None, None] for inside in chosen]


def part(op: Slice, types: Types, boxes: Boxes) -> list[Boxes]:
    axis = axis_of(types[0], op.axis)
    places = op.positions(types[0].shape[axis])
    x = boxes.copy()
    x[..., axis, 0] = places.start + boxes[..., axis, 0] * places.step
    x[..., axis, 1] = places.start + (boxes[..., axis, 1] - 1) * places.step + 1
    return [clipped(x, types[0].shape)]


def select(op: Select, types: Types, boxes: Boxes) -> list[Boxes]:
    axis = axis_of(types[0], op.axis)
    at = op.at % types[0].shape[axis]
    return [np.insert(boxes, axis, [at, at + 1], axis=-2)]


def pad(op: Pad, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    x[..., axis_of(types[0], op.axis), :] -= op.before
    return [clipped(x, types[0].shape)]


def reshape(op: Reshape, types: Types, boxes: Boxes) -> list[Boxes]:
    """Axes that are made of other axes, these alone, are read between the first and the last element that they need."""
    (result,) = op.result_types(*types)
    x = whole(types[0].shape, boxes.shape[:-2])
    for before, after in _same_elements(types[0].shape, result.shape):
        steps = np.array([prod(result.shape[axis + 1 : after.stop]) for axis in after], np.int64)
        first = boxes[..., list(after), 0] @ steps
        last = (boxes[..., list(after), 1] - 1) @ steps
        for axis in before:
            step, size = prod(types[0].shape[axis + 1 : before.stop]), types[0].shape[axis]
            whole_rows = (first // (step * size) != last // (step * size))[..., None]
            between = np.stack([first // step % size, last // step % size + 1], axis=-1)
            x[..., axis, :] = np.where(whole_rows, [0, size], between)
    return [x]


def _same_elements(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[range, range]]:
    """The shortest ranges of axes of two shapes of as many elements that have as many elements each."""
    i = j = 0
    while i < len(before) and j < len(after):
        first, start = i, j
        i, j = i + 1, j + 1
        while prod(before[first:i]) != prod(after[start:j]):
            if prod(before[first:i]) < prod(after[start:j]):
                i += 1
            else:
                j += 1
        yield range(first, i), range(start, j)


def transpose(op: Transpose, _types: Types, boxes: Boxes) -> list[Boxes]:
    return [boxes[..., np.argsort(op.axes), :]]


def broadcast(_op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    x, like = types
    stretched = broadcast_shape(x.shape, like.shape)
    read = np.where(np.array(stretched)[:, None] == 1, [0, 1], boxes)
    first = next((at for at in range(len(stretched) + 1) if stretched[at : at + len(x.shape)] == x.shape), 0)
    return [read[..., first : first + len(x.shape), :], nothing(like, boxes)]


def all_channels(_op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    x[..., types[0].channel_axis, :] = [0, types[0].channels]
    return [x]


def matmul(op: MatMul, types: Types, boxes: Boxes) -> list[Boxes]:
    """The rows of the left factor and the columns of the right one."""
    out = []
    for side, (type, turned) in enumerate(zip(types, (op.transpose_a, op.transpose_b), strict=True)):
        factor = boxes.copy()
        inner = -1 if side == 0 else -2
        factor[..., inner, :] = [0, op.sizes(types[0].shape, types[1].shape)[0][1]]
        out.append(factor[..., [*range(len(type.shape) - 2), -1, -2], :] if turned else factor)
    return out


def attend(op: Attend, types: Types, boxes: Boxes) -> list[Boxes]:
    """Of the heads that are made, the same queries, and all keys and values."""
    heads = multiples(boxes[..., -1, :], types[2].shape[-1] // op.heads) // (types[2].shape[-1] // op.heads)
    out = []
    for position, type in enumerate(types):
        read = boxes.copy()
        read[..., -1, :] = heads * (type.shape[-1] // op.heads)
        if position:
            read[..., -2, :] = [0, type.shape[-2]]
        out.append(read)
    return out


def rope(op: Rope, types: Types, boxes: Boxes) -> list[Boxes]:
    """Both channels of a pair: the whole heads."""
    x = boxes.copy()
    x[..., -1, :] = multiples(boxes[..., -1, :], types[0].shape[-1] // op.heads)
    return [x]


def embed(_op: Embed, types: Types, boxes: Boxes) -> list[Boxes]:
    """Any row, of the channels that are made."""
    weight = whole(types[1].shape, boxes.shape[:-2])
    weight[..., 1, :] = boxes[..., -1, :]
    return [boxes[..., :-1, :], weight]


def parameter(_op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    return [nothing(types[0], boxes), boxes]


def regions(_op: Op, types: Types, boxes: Boxes) -> list[Boxes]:
    """Whole planes of the channels that are made, and the boxes that are."""
    features = whole(types[0].shape, boxes.shape[:-2])
    features[..., 0, :] = boxes[..., 1, :]
    corners = whole(types[1].shape, boxes.shape[:-2])
    corners[..., 0, :] = boxes[..., 0, :]
    return [features, corners]
