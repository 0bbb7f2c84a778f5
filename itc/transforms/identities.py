"""Decides whether an operation is the identity on its first operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from itc.ir.net import Apply, Value
from itc.ir.op import Op
from itc.ir.ops.cast import Cast
from itc.ir.ops.part import Pad, Slice
from itc.ir.ops.pointwise import Affine, Detach, Dropout
from itc.ir.ops.pool import AvgPool, MaxPool, Pool
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, Reshape, Transpose
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat

ONE = (1, 1)


def is_identity(apply: Apply, training: bool) -> bool:
    """Whether the result is the first operand; with `training` in training too, gradients included."""
    first, *_ = apply.operands
    if not isinstance(first, Value) or len(apply.results) != 1 or first.type != apply.result.type:
        return False
    if not training and isinstance(apply.op, Dropout | Detach):
        return True
    rule = RULES.get(type(apply.op))
    return rule is not None and rule(apply.op, apply)


def _of_one_place(op: Pool, _apply: Apply) -> bool:
    return op.kernel == op.stride == ONE


def _always(_op: Op, _apply: Apply) -> bool:
    return True


#: Conditions for operations whose result type equals the type of the first operand.
RULES: dict[type[Op], Callable[[Any, Apply], bool]] = {
    **dict.fromkeys((Cast, Reshape, Pad, Slice, Broadcast, Resize), _always),
    Affine: lambda op, _: op.factor == 1 and op.offset == 0,
    Dropout: lambda op, _: op.rate == 0,
    Transpose: lambda op, _: op.axes == tuple(sorted(op.axes)),
    ChannelShuffle: lambda op, apply: op.groups in (1, apply.result.tensor.channels),
    Concat: lambda _, apply: len(apply.operands) == 1,
    MaxPool: _of_one_place,
    AvgPool: _of_one_place,
}
