"""Element-wise operations: arithmetic and activations."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, layer, operation
from itc.ir.rules import needs_float
from itc.ir.types import TensorType
from itc.records import dataclass

#: Number of axes of a map.
MAP = 3


@dataclass(frozen=True)
class Unary(Op):
    """Base of element-wise functions; the result has the operand's type."""

    pointwise = True

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        needs_float(self.name, operands[0])
        return (operands[0],)


@operation
@dataclass(frozen=True)
class Relu(Unary):
    """max(x, 0)."""

    name = "relu"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.maximum(operands[0], 0),)


@operation
@dataclass(frozen=True)
class Relu6(Unary):
    """min(max(x, 0), 6)."""

    name = "relu6"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.clip(operands[0], 0, 6),)


@operation
@dataclass(frozen=True)
class Sigmoid(Unary):
    """1 / (1 + exp(-x)), without overflow."""

    name = "sigmoid"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        small = np.exp(-np.abs(operands[0]))
        return (np.where(operands[0] >= 0, 1 / (1 + small), small / (1 + small)),)


@operation
@dataclass(frozen=True)
class Tanh(Unary):
    """Hyperbolic tangent."""

    name = "tanh"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.tanh(operands[0]),)


@operation
@dataclass(frozen=True)
class Dropout(Unary):
    """In training, zeroes each element with probability `rate` and scales the others by 1 / (1 - rate); else identity.

    Every iteration of a loop draws a new mask. With `channels`, the mask has one entry per channel of a map (spatial
    dropout, Tompson et al. 2015).
    """

    name = "dropout"
    repeatable = False
    rate: float = 0.5
    channels: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        if not 0 <= self.rate < 1:
            raise RuleError(f"a dropout rate of {self.rate} is not in 0 <= rate < 1", attribute="rate")
        if self.channels and len(operands[0].shape) != MAP:
            raise RuleError(f"`dropout` of channels needs a map, not {operands[0]}", 0)
        return super().result_types(*operands)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0],)


@operation
@dataclass(frozen=True)
class Affine(Unary):
    """`x * factor + offset` with two numbers: arithmetic of a tensor with numbers."""

    name = "affine"
    factor: float = 1.0
    offset: float = 0.0

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (x * np.asarray(self.factor, x.dtype) + np.asarray(self.offset, x.dtype),)


@dataclass(frozen=True)
class Binary(Op):
    """Base of element-wise operations on two tensors of equal shape."""

    pointwise = True
    arity = (2, 2)
    #: Whether it is defined for booleans as well.
    booleans: ClassVar[bool] = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        left, right = operands
        if not (self.booleans and left.dtype == "bool"):
            needs_float(self.name, left)
        if left.dtype != right.dtype:
            raise RuleError(f"`{self.name}` of {left.dtype} and {right.dtype}", 1, 0)
        if left.shape != right.shape:
            raise RuleError(mismatch(self.name, left, right), 1, 0)
        return (left,)


def mismatch(name: str, left: TensorType, right: TensorType) -> str:
    """The message of an operation of two tensors whose types differ."""
    same_rank = len(left.shape) == len(right.shape) and left.shape
    if same_rank and left.channels != right.channels:
        return f"`{name}` of {left.channels} and {right.channels} channels"
    return f"`{name}` of {left} and {right}"


@operation
@dataclass(frozen=True)
class Add(Binary):
    """Sum of two tensors."""

    name = "add"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0] + operands[1],)


@operation
@dataclass(frozen=True)
class Sub(Binary):
    """Difference of two tensors."""

    name = "sub"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0] - operands[1],)


@operation
@dataclass(frozen=True)
class Mul(Binary):
    """Element-wise product of two tensors."""

    name = "mul"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0] * operands[1],)


@operation
@dataclass(frozen=True)
class Div(Binary):
    """Element-wise quotient of two tensors."""

    name = "div"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (operands[0] / operands[1],)


@operation
@dataclass(frozen=True)
class Detach(Op):
    """Identity that stops gradients."""

    name = "detach"
    pointwise = True

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        return (operands[0],)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0],)


@layer
def relu(x: TensorType) -> Layer:
    """max(x, 0)."""
    return Layer(Relu())


@layer
def relu6(x: TensorType) -> Layer:
    """min(max(x, 0), 6)."""
    return Layer(Relu6())


@layer
def sigmoid(x: TensorType) -> Layer:
    """1 / (1 + exp(-x))."""
    return Layer(Sigmoid())


@layer
def tanh(x: TensorType) -> Layer:
    """Hyperbolic tangent."""
    return Layer(Tanh())


@layer
def dropout(x: TensorType, rate: float = 0.5, *, tied: bool = False, channels: bool = False) -> Layer:
    """Zeroes elements, or whole `channels` of a map, with probability `rate` in training.

    Draws a new mask in every iteration, or one for all with `tied`.
    """
    return Layer(Dropout(rate, channels))


@layer
def div(a: TensorType, b: TensorType) -> Layer:
    """Element-wise quotient of two tensors of equal shape."""
    return Layer(Div())


@layer
def detach(x: TensorType) -> Layer:
    """Identity that stops gradients."""
    return Layer(Detach())
