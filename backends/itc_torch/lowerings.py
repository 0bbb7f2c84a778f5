"""The one table from an operation of the IR to torch functions; sizes are those at run time, never the net's."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, getitem, mul, sub
from typing import Any, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc.ir import Op
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.norm import BatchNorm
from itc.ir.ops.pointwise import Add, Affine, Dropout, Mul, Relu, Relu6, Sigmoid, Sub, Tanh
from itc.ir.ops.pool import AvgPool, GlobalPool, MaxPool, Pool
from itc.ir.ops.reduce import Softmax
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat, Fill
from itc_torch.expressions import TRAINING, Call, Expr, Ref, call

Lowering = Callable[..., Expr]
T = TypeVar("T")


def lower_op(op: Op, operands: tuple[Ref, ...]) -> Expr:
    """The expression of `op` over its operands, in the order of the IR."""
    return LOWERINGS[type(op)](op, *operands)


def unless(value: T, default: T) -> T | None:
    """`value`, or None where it is torch's default anyway."""
    return None if value == default else value


def pair(value: tuple[int, int]) -> int | tuple[int, int]:
    """A size along height and width, as one number where both are the same."""
    return value[0] if value[0] == value[1] else value


def shape(x: Ref, axis: int) -> Call:
    return call(getitem, call(getattr, x, "shape"), axis)


def channel_axis(x: Ref) -> int:
    """The channels' axis from the end, which the batch does not move."""
    return x.type.channel_axis


def conv(op: Conv, x: Ref, weight: Ref, bias: Ref | None = None) -> Expr:
    return call(
        F.conv2d,
        x,
        weight,
        *((bias,) if bias else ()),
        stride=unless(pair(op.stride), 1),
        padding=unless(pair(op.pad), 0),
        dilation=unless(pair(op.dilation), 1),
        groups=unless(op.groups, 1),
    )


def linear(_op: Linear, *operands: Ref) -> Expr:
    return call(F.linear, *operands)


def batch_norm(op: BatchNorm, x: Ref, scale: Ref, shift: Ref, mean: Ref, var: Ref) -> Expr:
    """torch wants the channels behind the batch: tokens are turned there and back."""
    tokens = len(x.type.shape) == 2
    turned = call("transpose", x, 1, 2) if tokens else x
    momentum, eps = unless(op.momentum, 0.1), unless(op.eps, 1e-5)
    normed = call(F.batch_norm, turned, mean, var, scale, shift, TRAINING, momentum=momentum, eps=eps)
    return call("transpose", normed, 1, 2) if tokens else normed


def dropout(op: Dropout, x: Ref) -> Expr:
    return call(F.dropout, x, op.rate, TRAINING)


def affine(op: Affine, x: Ref) -> Expr:
    scaled = x if op.factor == 1 else call(mul, x, op.factor)
    return scaled if op.offset == 0 else call(add, scaled, op.offset)


def concat(_op: Concat, *operands: Ref) -> Expr:
    return call(torch.cat, operands, dim=channel_axis(operands[0]))


def fill(op: Fill, like: Ref) -> Expr:
    if op.channels == like.type.channels:
        return call(torch.full_like, like, op.value)
    sizes: list[Expr] = [shape(like, axis) for axis in range(1 + len(like.type.shape))]
    sizes[channel_axis(like)] = op.channels
    return call("new_full", like, tuple(sizes), op.value)


def pool(function: Callable[..., Any]) -> Lowering:
    def lowering(op: Pool, x: Ref) -> Expr:
        stride, padding = unless(pair(op.stride), pair(op.kernel)), unless(pair(op.pad), 0)
        return call(function, x, pair(op.kernel), stride=stride, padding=padding, ceil_mode=op.ceil or None)

    return lowering


def global_pool(_op: GlobalPool, x: Ref) -> Expr:
    return call("mean", x, (-2, -1))


def softmax(_op: Softmax, x: Ref) -> Expr:
    return call(F.softmax, x, dim=channel_axis(x))


def resize(op: Resize, x: Ref, like: Ref | None = None) -> Expr:
    how = {"mode": "bilinear", "align_corners": False} if op.mode == "bilinear" else {}
    if like is None:
        return call(F.interpolate, x, scale_factor=op.factor, **how)
    return call(F.interpolate, x, size=call(getitem, call(getattr, like, "shape"), slice(-2, None)), **how)


def function(target: Callable[..., Any]) -> Lowering:
    """An operation that is one torch function of its operands."""
    return lambda _op, *operands: call(target, *operands)


LOWERINGS: dict[type[Op], Lowering] = {
    Add: function(add),
    Affine: affine,
    AvgPool: pool(F.avg_pool2d),
    BatchNorm: batch_norm,
    Concat: concat,
    Conv: conv,
    Dropout: dropout,
    Fill: fill,
    GlobalPool: global_pool,
    Linear: linear,
    MaxPool: pool(F.max_pool2d),
    Mul: function(mul),
    Relu: function(F.relu),
    Relu6: function(F.relu6),
    Resize: resize,
    Sigmoid: function(torch.sigmoid),
    Softmax: softmax,
    Sub: function(sub),
    Tanh: function(torch.tanh),
}
