"""Further element-wise functions: activations, exponentials, roots and sines."""

from __future__ import annotations

from math import erf, pi, sqrt
from typing import Literal

import numpy as np

from itc.ir.op import MAX_FLOAT, Array, Layer, Op, ParamSpec, RuleError, layer, operation
from itc.ir.ops.norm import along_channels
from itc.ir.ops.pointwise import Sigmoid, Unary
from itc.ir.rules import at_most, needs, needs_float
from itc.ir.types import TensorType
from itc.records import dataclass

_ERF = np.frompyfunc(erf, 1, 1)


@operation
@dataclass(frozen=True)
class Gelu(Unary):
    """`x * (1 + erf(x / sqrt(2))) / 2`, or with `tanh` `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`."""

    name = "gelu"
    tanh: bool = False

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        if self.tanh:
            return (x * (1 + np.tanh(np.asarray(sqrt(2 / pi), x.dtype) * (x + 0.044715 * x * x * x))) / 2,)
        probability = (1 + np.asarray(_ERF(x.astype(np.float64) / sqrt(2)), np.float64)) / 2
        return ((x * probability).astype(x.dtype),)


@operation
@dataclass(frozen=True)
class Silu(Unary):
    """`x * sigmoid(x)`."""

    name = "silu"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0] * Sigmoid().evaluate(operands[0])[0],)


@operation
@dataclass(frozen=True)
class Exp(Unary):
    """e to the power of x."""

    name = "exp"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        with np.errstate(over="ignore"):
            return (np.exp(operands[0]),)


@operation
@dataclass(frozen=True)
class Log(Unary):
    """Natural logarithm; -inf at 0 and nan below."""

    name = "log"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (np.log(operands[0]),)


@operation
@dataclass(frozen=True)
class Sqrt(Unary):
    """Square root; nan below 0."""

    name = "sqrt"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        with np.errstate(invalid="ignore"):
            return (np.sqrt(operands[0]),)


@operation
@dataclass(frozen=True)
class Sin(Unary):
    """Sine of an angle in radians."""

    name = "sin"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.sin(operands[0]),)


@operation
@dataclass(frozen=True)
class Cos(Unary):
    """Cosine of an angle in radians."""

    name = "cos"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.cos(operands[0]),)


@operation
@dataclass(frozen=True)
class Abs(Unary):
    """Absolute value."""

    name = "abs"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.abs(operands[0]),)


@operation
@dataclass(frozen=True)
class Prelu(Op):
    """`x` above 0, `slope * x` below; one slope, or one per channel."""

    name = "prelu"
    arity = (2, 2)
    pointwise = True

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, slope = operands
        needs(1, x, "prelu")
        needs_float("prelu", x, slope)
        if slope.shape not in ((1,), (x.channels,)):
            raise RuleError(f"`prelu` needs one slope or {x.channels}, not {list(slope.shape)}", 0, 1)
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, slope = operands
        return (np.where(x > 0, x, x * along_channels(x, slope)),)


@layer
def gelu(x: TensorType, *, approximate: Literal["tanh"] | None = None) -> Layer:
    """x times the cumulative normal distribution of x, exact, or with `approximate=tanh` the formula of GPT-2."""
    return Layer(Gelu(approximate == "tanh"))


@layer
def silu(x: TensorType) -> Layer:
    """x times sigmoid(x), also called swish."""
    return Layer(Silu())


@layer
def exp(x: TensorType) -> Layer:
    """e to the power of x."""
    return Layer(Exp())


@layer
def log(x: TensorType) -> Layer:
    """Natural logarithm."""
    return Layer(Log())


@layer
def sqrt_(x: TensorType) -> Layer:
    """Square root."""
    return Layer(Sqrt())


@layer
def sin(x: TensorType) -> Layer:
    """Sine of x in radians."""
    return Layer(Sin())


@layer
def cos(x: TensorType) -> Layer:
    """Cosine of x in radians."""
    return Layer(Cos())


@layer
def abs_(x: TensorType) -> Layer:
    """Absolute value."""
    return Layer(Abs())


@layer
def prelu(x: TensorType, *, channels: bool = False, slope: float = 0.25) -> Layer:
    """x above 0, a trained slope times x below; one slope per channel with `channels`."""
    needs(1, x, "prelu")
    at_most(MAX_FLOAT, "slope", slope)
    return Layer(Prelu(), (ParamSpec("weight", (x.channels if channels else 1,), "slope", repr(float(slope))),))
