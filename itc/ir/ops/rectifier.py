"""Rectifiers: leaky, squared, exponential, soft and piecewise linear ones, and clamps."""

from __future__ import annotations

from math import inf

import numpy as np

from itc.ir.op import MAX_FLOAT, Array, Layer, RuleError, layer, operation
from itc.ir.ops.pointwise import Unary
from itc.ir.rules import at_most
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class LeakyRelu(Unary):
    """`x` above 0, `slope * x` below."""

    name = "leaky_relu"
    slope: float = 0.01

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        at_most(MAX_FLOAT, "slope", self.slope)
        return super().result_types(*operands)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (np.where(x > 0, x, x * np.asarray(self.slope, x.dtype)),)


@operation
@dataclass(frozen=True)
class SquaredRelu(Unary):
    """max(x, 0) squared (So et al. 2021)."""

    name = "squared_relu"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        positive = np.maximum(operands[0], 0)
        return (positive * positive,)


@operation
@dataclass(frozen=True)
class Elu(Unary):
    """`x` above 0, `alpha * (exp(x) - 1)` below (Clevert et al. 2016)."""

    name = "elu"
    alpha: float = 1.0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        at_most(MAX_FLOAT, "alpha", self.alpha)
        return super().result_types(*operands)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (np.where(x > 0, x, np.asarray(self.alpha, x.dtype) * np.expm1(np.minimum(x, 0))),)


@operation
@dataclass(frozen=True)
class Softplus(Unary):
    """log(1 + exp(x)), without overflow."""

    name = "softplus"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),)


@operation
@dataclass(frozen=True)
class Hardswish(Unary):
    """`x * min(max(x + 3, 0), 6) / 6` (Howard et al. 2019)."""

    name = "hardswish"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (x * np.clip(x + 3, 0, 6) / np.asarray(6, x.dtype),)


@operation
@dataclass(frozen=True)
class Clamp(Unary):
    """min(max(x, lower), upper) with two numbers, each of which may be infinite; nan stays nan."""

    name = "clamp"
    lower: float = -inf
    upper: float = inf

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        if not self.lower <= self.upper:
            raise RuleError(f"no number lies between {self.lower:g} and {self.upper:g}", attribute="min")
        return super().result_types(*operands)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (np.clip(x, np.asarray(self.lower, x.dtype), np.asarray(self.upper, x.dtype)),)


@layer
def leaky_relu(x: TensorType, slope: float = 0.01) -> Layer:
    """x above 0, `slope` times x below; `prelu` trains its slope."""
    return Layer(LeakyRelu(slope))


@layer
def squared_relu(x: TensorType) -> Layer:
    """max(x, 0) squared."""
    return Layer(SquaredRelu())


@layer
def elu(x: TensorType, alpha: float = 1.0) -> Layer:
    """x above 0, `alpha` times (exp(x) - 1) below."""
    return Layer(Elu(alpha))


@layer
def softplus(x: TensorType) -> Layer:
    """log(1 + exp(x))."""
    return Layer(Softplus())


@layer
def hardswish(x: TensorType) -> Layer:
    """x times min(max(x + 3, 0), 6) / 6."""
    return Layer(Hardswish())


@layer
def clamp(x: TensorType, min: float | None = None, max: float | None = None) -> Layer:
    """x, but at least `min` and at most `max`; one of them may be omitted."""
    if min is None and max is None:
        raise RuleError("`clamp` needs a bound", help="clamp(x, 0, 1), clamp(x, 0) or clamp(x, max=1)")
    return Layer(Clamp(-inf if min is None else finite("min", min), inf if max is None else finite("max", max)))


def finite(name: str, number: float) -> float:
    """The number, finite in float32 (RuleError)."""
    at_most(MAX_FLOAT, name, number)
    return float(number)
