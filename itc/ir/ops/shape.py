"""Operations that move elements and make none: concatenation, slices and fills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, at_least, layer, needs, operation, takes
from itc.ir.types import TensorType


@operation
@dataclass(frozen=True)
class Concat(Op):
    """Its operands behind each other along the channel axis (-3 for maps, -1 for vectors and tokens)."""

    name = "concat"

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        takes(operands, "concat", 1, max(1, len(operands)))
        first = operands[0]
        needs(1, first, "concat")
        axis = first.channel_axis
        for position, other in enumerate(operands[1:], start=1):
            if _without(axis, first) != _without(axis, other) or first.dtype != other.dtype:
                raise RuleError(f"`concat` of {first} and {other}: only the channels may differ", position, 0)
        shape = list(first.shape)
        shape[axis] = sum(x.shape[axis] for x in operands)
        return (first.with_shape(tuple(shape)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.concatenate(operands, -3 if operands[0].ndim >= 4 else -1),)


def _without(axis: int, type: TensorType) -> tuple[int, ...]:
    at = len(type.shape) + axis
    return (*type.shape[:at], -1, *type.shape[at + 1 :])


@operation
@dataclass(frozen=True)
class Fill(Op):
    """A tensor of one number: `channels` of them, at the sizes of its operand."""

    name = "fill"
    shape_only = frozenset({0})
    channels: int = 1
    value: float = 0.0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        takes(operands, "fill", 1)
        (like,) = operands
        needs(1, like, "fill")
        at_least(1, "channels", (self.channels,))
        shape = list(like.shape)
        shape[like.channel_axis] = self.channels
        return (like.with_shape(tuple(shape)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        (like,) = operands
        shape = list(like.shape)
        shape[-3 if like.ndim >= 4 else -1] = self.channels
        return (np.full(shape, self.value, like.dtype),)


@layer
def concat_(*xs: TensorType) -> Layer:
    """Tensors (or a list of them) behind each other along the channels."""
    if not xs:
        raise RuleError("`concat` of nothing")
    needs(1, xs[0], "concat")
    return Layer(Concat())


@layer
def zeros(channels: int, *, like: TensorType) -> Layer:
    """Zeros: `channels` of them, with the sizes of `like`."""
    return _fill(channels, like, 0.0)


@layer
def ones(channels: int, *, like: TensorType) -> Layer:
    """Ones: `channels` of them, with the sizes of `like`."""
    return _fill(channels, like, 1.0)


def _fill(channels: int, like: TensorType, value: float) -> Layer:
    return Layer(Fill(channels, value))
