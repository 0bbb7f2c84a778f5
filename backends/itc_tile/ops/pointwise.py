"""Operations on single elements: each element of the result depends on the same elements of the operands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from itc.ir.op import Array, Op
from itc.ir.ops.activation import Abs, Cos, Exp, Gelu, Log, Prelu, Silu, Sin, Sqrt
from itc.ir.ops.cast import Cast
from itc.ir.ops.comparison import Compare, Maximum, Minimum, Where
from itc.ir.ops.norm import BatchNorm, ScaleShift
from itc.ir.ops.pointwise import (
    Add,
    Affine,
    Detach,
    Div,
    Dropout,
    Mul,
    Relu,
    Relu6,
    Sigmoid,
    Sub,
    Tanh,
)  # fmt: skip
from itc.ir.ops.rectifier import Clamp, Elu, Hardswish, LeakyRelu, Softplus, SquaredRelu
from itc_tile.ops.record import Evaluation, ShardedOp, Stacks, TileOp, Types, Work, register
from itc_tile.ops.rules import along, by_reference, elementwise, move_work, pointwise_work
from itc_tile.tiling.boxes import Boxes, whole


def prelu_access(_op: Prelu, types: Types, boxes: Boxes) -> list[Boxes]:
    slope = whole(types[1].shape, boxes.shape[:-2])
    if types[1].size > 1:
        slope = boxes[..., types[0].channel_axis, :][..., None, :]
    return [boxes, slope]


def prelu_values(shards: ShardedOp) -> Evaluation:
    axis = shards.types[0].channel_axis
    return Evaluation(lambda s: np.where(s[0] > 0, s[0], s[0] * along(axis, s[1], s[0].ndim)), shards.operands)


def channel_access(_op: BatchNorm | ScaleShift, types: Types, boxes: Boxes) -> list[Boxes]:
    """The same elements, and the parameters of their channels."""
    channels = boxes[..., types[0].channel_axis, :][..., None, :]
    return [boxes] + [channels] * (len(types) - 1)


def batch_norm_values(shards: ShardedOp) -> Evaluation:
    op, axis = shards.op, shards.types[0].channel_axis

    def run(stacks: Stacks) -> Array:
        x, *params = stacks
        scale, shift, mean, var = (along(axis, param, x.ndim) for param in params)
        return np.asarray((x - mean) / np.sqrt(var + np.asarray(op.eps, var.dtype)) * scale + shift)

    return Evaluation(run, shards.operands)


def scale_shift_values(shards: ShardedOp) -> Evaluation:
    axis = shards.types[0].channel_axis

    def run(stacks: Stacks) -> Array:
        x, scale, shift = stacks
        return np.asarray(x * along(axis, scale, x.ndim) + along(axis, shift, x.ndim))

    return Evaluation(run, shards.operands)


PASSES: dict[type[Op], Callable[[ShardedOp], Work]] = {
    **dict.fromkeys((Abs, Add, Compare, Maximum, Minimum, Mul, Relu, Sub, Where), pointwise_work(simple=1)),
    **dict.fromkeys((Affine, Clamp, LeakyRelu, Relu6, SquaredRelu), pointwise_work(simple=2)),
    **dict.fromkeys((Cos, Div, Exp, Gelu, Log, Sigmoid, Silu, Sin, Softplus, Sqrt, Tanh), pointwise_work(special=1)),
    Elu: pointwise_work(simple=2, special=1),
    Hardswish: pointwise_work(simple=5),
    **dict.fromkeys((Detach, Dropout), lambda _: Work()),  # identities at inference
}

for op, work in PASSES.items():
    register(op, TileOp(elementwise, work, by_reference))
register(Prelu, TileOp(prelu_access, pointwise_work(simple=2), prelu_values))
# Stored statistics are folded into scale and shift when parameters are loaded: two instructions.
register(BatchNorm, TileOp(channel_access, pointwise_work(simple=2), batch_norm_values))
register(ScaleShift, TileOp(channel_access, pointwise_work(simple=2), scale_shift_values))
register(Cast, TileOp(elementwise, move_work))
