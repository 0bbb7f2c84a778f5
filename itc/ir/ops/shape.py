"""Concatenation, stacks and constant fills."""

from __future__ import annotations

import numpy as np

from itc.ir.op import MANY, Array, Layer, Op, RuleError, layer, operation
from itc.ir.rules import array_axis, at_least, axis_of, channels_or, needs
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class Concat(Op):
    """Its operands concatenated along an axis: `axis` counts from the end; 0 stands for the channels."""

    name = "concat"
    arity = (1, MANY)
    axis: int = 0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        first = operands[0]
        needs(1, first, "concat")
        axis = axis_of(first, self.axis)
        only = "the size of that axis" if self.axis else "the channels"
        for position, other in enumerate(operands[1:], start=1):
            if _without(axis, first) != _without(axis, other) or first.dtype != other.dtype:
                raise RuleError(f"`concat` of {first} and {other}: only {only} may differ", position, 0)
        shape = list(first.shape)
        shape[axis] = sum(x.shape[axis] for x in operands)
        return (first.with_shape(tuple(shape)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.concatenate(operands, array_axis(operands[0], self.axis)),)


def _without(axis: int, type: TensorType) -> tuple[int, ...]:
    return (*type.shape[:axis], -1, *type.shape[axis + 1 :])


@operation
@dataclass(frozen=True)
class Stack(Op):
    """Its operands, of equal types, along a new axis: `axis` is its position in the result, counted from the end."""

    name = "stack"
    arity = (1, MANY)
    axis: int = -1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        first = operands[0]
        for position, other in enumerate(operands[1:], start=1):
            if other != first:
                raise RuleError(f"`stack` of {first} and {other}", position, 0)
        if not 1 <= -self.axis <= len(first.shape) + 1:
            raise RuleError(f"a stack of {first} has no axis {self.axis}", attribute="axis")
        at = len(first.shape) + 1 + self.axis
        return (first.with_shape((*first.shape[:at], len(operands), *first.shape[at:])),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.stack(operands, self.axis),)


@operation
@dataclass(frozen=True)
class Fill(Op):
    """A constant tensor with `channels` channels and the other sizes of its operand."""

    name = "fill"
    shape_only = frozenset({0})
    channels: int = 1
    value: float = 0.0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        (like,) = operands
        needs(1, like, "fill")
        at_least(1, "channels", self.channels)
        shape = list(like.shape)
        shape[like.channel_axis] = self.channels
        return (like.with_shape(tuple(shape)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        (like,) = operands
        shape = list(like.shape)
        shape[-3 if like.ndim >= 4 else -1] = self.channels
        return (np.full(shape, self.value, like.dtype),)


@layer
def concat_(*xs: TensorType, axis: int | None = None) -> Layer:
    """Tensors (or a list of them) concatenated along the channels, or another axis."""
    if not xs:
        raise RuleError("`concat` of nothing")
    needs(1, xs[0], "concat")
    return Layer(Concat(channels_or(xs[0], axis)))


@layer
def stack(*xs: TensorType, axis: int = 0) -> Layer:
    """Tensors (or a list of them) along a new axis at position `axis`."""
    if not xs:
        raise RuleError("`stack` of nothing")
    return Layer(Stack(axis if axis < 0 else axis - len(xs[0].shape) - 1))


@layer
def zeros(channels: int, *, like: TensorType) -> Layer:
    """Zeros with `channels` channels and the other sizes of `like`."""
    return Layer(Fill(channels, 0.0))


@layer
def ones(channels: int, *, like: TensorType) -> Layer:
    """Ones with `channels` channels and the other sizes of `like`."""
    return Layer(Fill(channels, 1.0))
