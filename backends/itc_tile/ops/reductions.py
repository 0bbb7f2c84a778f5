"""Reductions along axes, softmax, and norms by the operand's own mean and variance."""

from __future__ import annotations

import numpy as np

from itc.ir.op import Array
from itc.ir.ops.norm import GroupNorm, LayerNorm, Norm, RmsNorm
from itc.ir.ops.reduce import ArgMax, Change, Reduce, ReduceMax, ReduceMean, ReduceSum, Softmax
from itc.ir.rules import axis_of
from itc_tile.ops.record import Evaluation, ShardedOp, Stacks, TileOp, Types, VectorPass, Work, register
from itc_tile.ops.rules import everything, reduce_work, softmax_pass
from itc_tile.tiling.boxes import Boxes, multiples, volume, whole
from itc_tile.tiling.moves import fitted, fitting
from itc_tile.tiling.region import Region


def reduce_access(op: Reduce, types: Types, boxes: Boxes) -> list[Boxes]:
    """All positions along the reduced axes, the same positions along the others."""
    x = whole(types[0].shape, boxes.shape[:-2])
    reduced = op.positions(len(types[0].shape))
    kept = [axis for axis in range(len(types[0].shape)) if axis not in reduced]
    x[..., kept, :] = boxes[..., kept if op.keep else slice(None), :]
    return [x]


def argmax_access(op: ArgMax, types: Types, boxes: Boxes) -> list[Boxes]:
    axis = axis_of(types[0], op.axis)
    return [np.insert(boxes, axis, [0, types[0].shape[axis]], axis=-2)]


def softmax_access(op: Softmax, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    axis = axis_of(types[0], op.axis)
    x[..., axis, :] = [0, types[0].shape[axis]]
    return [x]


def softmax_work(shards: ShardedOp) -> Work:
    return Work(passes=(softmax_pass(shards.elements),))


def softmax_values(shards: ShardedOp) -> Evaluation:
    axis = axis_of(shards.types[0], shards.op.axis) - len(shards.types[0].shape)
    moves = fitting(Region(shards.operands[0]), Region(shards.result))

    def run(stacks: Stacks) -> Array:
        powers = np.exp(stacks[0] - stacks[0].max(axis, keepdims=True))
        return fitted(powers / powers.sum(axis, keepdims=True), moves, shards.result)

    return Evaluation(run, shards.operands)


def all_channels_access(_op: Norm, types: Types, boxes: Boxes) -> list[Boxes]:
    """All channels at the same positions, and the parameters of the result's channels."""
    axis = types[0].channel_axis
    x = boxes.copy()
    x[..., axis, :] = [0, types[0].channels]
    return [x, *(boxes[..., axis, :][..., None, :] for _ in types[1:])]


def group_norm_access(op: GroupNorm, types: Types, boxes: Boxes) -> list[Boxes]:
    """The groups of the result's channels, at all positions."""
    x, axis = boxes.copy(), types[0].channel_axis
    x[..., axis, :] = multiples(boxes[..., axis, :], types[0].channels // op.groups)
    if axis == -3:
        x[..., -2:, :] = whole(types[0].shape[-2:], boxes.shape[:-2])
    return [x, *(boxes[..., axis, :][..., None, :] for _ in types[1:])]


def norm_work(shards: ShardedOp) -> Work:
    """A pass over the operand for mean and variance, and one to scale and shift the result."""
    statistics = VectorPass(volume(shards.operands[0]), simple=2, access=1 / 2)
    return Work(passes=(statistics, VectorPass(shards.elements, simple=2, access=1, call=False)))


for reduction in (ReduceMax, ReduceMean, ReduceSum):
    register(reduction, TileOp(reduce_access, reduce_work))
register(ArgMax, TileOp(argmax_access, reduce_work))
register(Change, TileOp(everything, reduce_work))
register(Softmax, TileOp(softmax_access, softmax_work, softmax_values))
for norm in (LayerNorm, RmsNorm):
    register(norm, TileOp(all_channels_access, norm_work))
register(GroupNorm, TileOp(group_norm_access, norm_work))
