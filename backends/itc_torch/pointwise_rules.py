"""Lowerings of operations on single elements that are more than one torch function of their operands."""

from __future__ import annotations

from math import isinf
from operator import add, mul

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc.ir import TensorType
from itc.ir.ops.activation import Gelu
from itc.ir.ops.cast import Cast
from itc.ir.ops.comparison import Compare, Where
from itc.ir.ops.pointwise import Affine, Dropout
from itc.ir.ops.rectifier import Clamp, Elu, LeakyRelu, SquaredRelu
from itc.ir.types import FLOATS
from itc_torch.expressions import TRAINING, Expr, Ref, call, unless
from itc_torch.precision import METHODS

RELATIONS = {
    "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge, "eq": torch.eq, "ne": torch.ne,
}  # fmt: skip


def affine(op: Affine, x: Ref) -> Expr:
    scaled = x if op.factor == 1 else call(mul, x, op.factor)
    return scaled if op.offset == 0 else call(add, scaled, op.offset)


def cast(op: Cast, x: Ref) -> Expr:
    return call(METHODS[op.dtype], x)


def clamp(op: Clamp, x: Ref) -> Expr:
    lower, upper = (None if isinf(bound) else bound for bound in (op.lower, op.upper))
    return call(torch.clamp, x, min=lower, max=upper)


def compare(op: Compare, x: Ref, *other: Ref) -> Expr:
    return call(RELATIONS[op.relation], x, *other or (number(op.number, x.type),))


def number(value: float, type: TensorType) -> float:
    """A number of the kind of a tensor's elements, so that torch does not convert these."""
    return value if type.dtype in FLOATS else bool(value) if type.dtype == "bool" else int(value)


def dropout(op: Dropout, x: Ref) -> Expr:
    return call(F.dropout2d if op.channels else F.dropout, x, op.rate, TRAINING)


def elu(op: Elu, x: Ref) -> Expr:
    return call(F.elu, x, alpha=unless(op.alpha, 1.0))


def gelu(op: Gelu, x: Ref) -> Expr:
    return call(F.gelu, x, approximate="tanh" if op.tanh else None)


def leaky_relu(op: LeakyRelu, x: Ref) -> Expr:
    return call(F.leaky_relu, x, negative_slope=unless(op.slope, 0.01))


def squared_relu(_op: SquaredRelu, x: Ref) -> Expr:
    return call(torch.square, call(F.relu, x))


def where(op: Where, mask: Ref, *tensors: Ref) -> Expr:
    chosen = list(tensors)
    sides = [chosen.pop(0) if side is None else number(side, tensors[0].type) for side in (op.then, op.otherwise)]
    return call(torch.where, mask, *sides)
