"""Operations that move elements, or make constants: no arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod

import numpy as np

from itc.ir.op import Array
from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, PixelShuffle, Reshape, Transpose, broadcast_shape
from itc.ir.ops.shape import Concat, Fill, Stack
from itc.ir.ops.table import Parameter
from itc.ir.rules import axis_of
from itc.ir.types import NUMPY_NAMES
from itc_tile.ops.record import Evaluation, ShardedOp, Stacks, TileOp, Types, register
from itc_tile.ops.rules import move_work
from itc_tile.tiling.boxes import Boxes, clipped, emptied, nothing, whole
from itc_tile.tiling.moves import fitting, largest
from itc_tile.tiling.region import Region
from itc_tile.tiling.sets import Ints, Windows

# Access: boxes of the result to boxes of the operands


def concat_access(op: Concat, types: Types, boxes: Boxes) -> list[Boxes]:
    out, before = [], 0
    axis = axis_of(types[0], op.axis)
    for type in types:
        x = boxes.copy()
        x[..., axis, :] = np.clip(boxes[..., axis, :] - before, 0, type.shape[axis])
        out.append(x)
        before += type.shape[axis]
    return out


def stack_access(op: Stack, types: Types, boxes: Boxes) -> list[Boxes]:
    """The same positions of those operands that are in the box."""
    axis = len(types[0].shape) + 1 + op.axis
    first, end = boxes[..., axis, 0], boxes[..., axis, 1]
    box = np.delete(boxes, axis, axis=-2)
    chosen = ((first <= position) & (position < end) for position in range(len(types)))
    if not types[0].shape:
        return [box for _ in types]
    return [box * inside[..., None, None] for inside in chosen]


def fill_access(_op: Fill, types: Types, boxes: Boxes) -> list[Boxes]:
    return [nothing(type, boxes) for type in types]


def parameter_access(_op: Parameter, types: Types, boxes: Boxes) -> list[Boxes]:
    return [nothing(types[0], boxes), boxes]


def slice_access(op: Slice, types: Types, boxes: Boxes) -> list[Boxes]:
    axis = axis_of(types[0], op.axis)
    places = op.positions(types[0].shape[axis])
    x = boxes.copy()
    x[..., axis, 0] = places.start + boxes[..., axis, 0] * places.step
    x[..., axis, 1] = places.start + (boxes[..., axis, 1] - 1) * places.step + 1
    return [clipped(x, types[0].shape)]


def select_access(op: Select, types: Types, boxes: Boxes) -> list[Boxes]:
    axis = axis_of(types[0], op.axis)
    at = op.at % types[0].shape[axis]
    return [np.insert(boxes, axis, [at, at + 1], axis=-2)]


def pad_access(op: Pad, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    x[..., axis_of(types[0], op.axis), :] -= op.before
    return [clipped(x, types[0].shape)]


def reshape_access(op: Reshape, types: Types, boxes: Boxes) -> list[Boxes]:
    """For axes that are made of other axes, the range between the first and the last element of these that is read."""
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
    """The shortest ranges of axes of two shapes with equal numbers of elements."""
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


def transpose_access(op: Transpose, _types: Types, boxes: Boxes) -> list[Boxes]:
    return [boxes[..., np.argsort(op.axes), :]]


def broadcast_access(_op: Broadcast, types: Types, boxes: Boxes) -> list[Boxes]:
    x, like = types
    stretched = broadcast_shape(x.shape, like.shape)
    read = np.where(np.array(stretched)[:, None] == 1, [0, 1], boxes)
    first = next((at for at in range(len(stretched) + 1) if stretched[at : at + len(x.shape)] == x.shape), 0)
    return [read[..., first : first + len(x.shape), :], nothing(like, boxes)]


def shuffle_access(_op: ChannelShuffle, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    x[..., types[0].channel_axis, :] = [0, types[0].channels]
    return [x]


def pixel_access(op: PixelShuffle, _types: Types, boxes: Boxes) -> list[Boxes]:
    """Whole blocks of pixels, each of `factor` squared channels."""
    x = boxes.copy()
    x[..., -3, :] *= op.factor**2
    x[..., -2:, 0] //= op.factor
    x[..., -2:, 1] = -(-boxes[..., -2:, 1] // op.factor)
    return [x]


# Windows: exact positions


def slice_windows(op: Slice, types: Types) -> dict[int, Windows]:
    axis = axis_of(types[0], op.axis)
    places = op.positions(types[0].shape[axis])
    source = partial(_single, lambda positions: places.start + positions * places.step)
    return {axis: Windows(types[0].shape[axis], source, places.step == 1)}


def shuffle_windows(op: ChannelShuffle, types: Types) -> dict[int, Windows]:
    channels, each = types[0].channels, types[0].channels // op.groups
    source = partial(_single, lambda positions: positions % op.groups * each + positions // op.groups)
    return {types[0].channel_axis % len(types[0].shape): Windows(channels, source, False)}


def _single(source: Callable[[Ints], Ints], positions: Ints) -> Iterator[tuple[Ints, Ints]]:
    """One position of the operand for each of the result."""
    first = source(positions)
    yield first, first + 1


# Values


def concat_values(shards: ShardedOp) -> Evaluation:
    axis, before = axis_of(shards.types[0], shards.op.axis), 0
    moves = []
    for box, type in zip(shards.operands, shards.types, strict=True):
        behind = box.copy()
        behind[:, axis] += before
        moves.append(fitting(Region(emptied(behind)), Region(shards.result)))
        before += type.shape[axis]

    def run(stacks: Stacks) -> Array:
        batch = max(stack.shape[1] for stack in stacks)
        out = np.zeros((len(shards.result), batch, *largest(shards.result)), np.result_type(*stacks))
        for stack, move in zip(stacks, moves, strict=True):
            if move is None:
                return stack
            move.run(stack, out)
        return out

    return Evaluation(run, shards.operands)


def fill_values(shards: ShardedOp) -> Evaluation:
    dtype = np.dtype(NUMPY_NAMES[shards.apply.result.tensor.dtype])
    shape = (len(shards.result), 1, *largest(shards.result))
    return Evaluation(lambda _: np.full(shape, shards.op.value, dtype), shards.operands)


register(Concat, TileOp(concat_access, move_work, concat_values, copy_like=lambda _: True))
register(Fill, TileOp(fill_access, move_work, fill_values, copy_like=lambda _: True))
register(Stack, TileOp(stack_access, move_work))
register(Parameter, TileOp(parameter_access, move_work))
register(Slice, TileOp(slice_access, move_work, windows=slice_windows))
register(Select, TileOp(select_access, move_work))
register(Pad, TileOp(pad_access, move_work))
register(Reshape, TileOp(reshape_access, move_work))
register(Transpose, TileOp(transpose_access, move_work))
register(Broadcast, TileOp(broadcast_access, move_work))
register(ChannelShuffle, TileOp(shuffle_access, move_work, windows=shuffle_windows))
register(PixelShuffle, TileOp(pixel_access, move_work))
