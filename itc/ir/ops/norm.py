"""Normalisation layers."""

from __future__ import annotations

import numpy as np

from itc.ir.op import Array, Layer, Op, ParamSpec, RuleError, layer, operation
from itc.ir.rules import array_axis, at_least, needs, needs_norm_params, needs_param
from itc.ir.types import TensorType
from itc.records import dataclass


@dataclass(frozen=True)
class Norm(Op):
    """Base of norms: `x` and parameters with one number per channel."""

    eps: float = 1e-5

    def check(self, *operands: TensorType) -> None:
        """Raises RuleError unless the parameters match the channels of `x`."""
        x = operands[0]
        needs(1, x, self.name)
        needs_norm_params(self.name, *operands)
        if not 0 <= self.eps <= 1:
            raise RuleError(f"an eps of {self.eps} is not between 0 and 1", attribute="eps")
        for position, param in enumerate(operands[1:], start=1):
            if len(param.shape) == 1 and param.shape != (x.channels,):
                raise RuleError(f"the norm is for {param.shape[0]} channels, its operand has {x.channels}", 0, position)
            needs_param(self.name, operands, position, (x.channels,))

    def epsilon(self, x: Array) -> Array:
        return np.asarray(self.eps, x.dtype)


def along_channels(x: Array, param: Array) -> Array:
    """A vector with one number per channel, reshaped to broadcast with `x`."""
    return param.reshape((-1, 1, 1) if array_axis(x, 0) == -3 else (-1,))


def scaled(x: Array, params: tuple[Array, ...]) -> Array:
    """`x` times the scale, if any, plus the shift, if any."""
    for param, apply in zip(params, (np.multiply, np.add), strict=False):
        x = apply(x, along_channels(x, param))
    return x


@operation
@dataclass(frozen=True)
class BatchNorm(Norm):
    """`(x - mean) / sqrt(var + eps) * scale + shift` per channel; in training with the statistics of the batch.

    Operands: x, scale, shift, mean, var. Training updates the statistics with `momentum`, as PyTorch does.
    """

    name = "batch_norm"
    arity = (5, 5)
    pointwise = True
    repeatable = False
    momentum: float = 0.1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        self.check(*operands)
        if not 0 <= self.momentum <= 1:
            raise RuleError(f"a momentum of {self.momentum} is not between 0 and 1", attribute="momentum")
        return (operands[0],)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, *params = operands
        scale, shift, mean, var = (along_channels(x, p) for p in params)
        return ((x - mean) / np.sqrt(var + self.epsilon(var)) * scale + shift,)


@operation
@dataclass(frozen=True)
class ScaleShift(Op):
    """`x * scale + shift` with one scale and shift per channel: a batch norm at inference."""

    name = "scale_shift"
    arity = (3, 3)
    pointwise = True

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(1, x, "scale_shift")
        needs_norm_params("scale_shift", *operands)
        for position in (1, 2):
            needs_param("scale_shift", operands, position, (x.channels,))
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (scaled(operands[0], operands[1:]),)


@operation
@dataclass(frozen=True)
class GroupNorm(Norm):
    """Mean 0 and variance 1 over each group of channels of a map (or vector) of one sample, then scale and shift.

    Operands: x, and scale and shift if the layer is affine. One group is PyTorch's layer norm of a whole map, as many
    groups as channels its instance norm.
    """

    name = "group_norm"
    arity = (1, 3)
    groups: int = 1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        self.check(*operands)
        x = operands[0]
        at_least(1, "groups", self.groups)
        if len(x.shape) == 2:
            raise RuleError(f"`group_norm` is for maps and vectors, not for {x}", 0, help="for tokens: layer_norm(x)")
        if x.channels % self.groups:
            raise RuleError(f"{x.channels} channels do not divide into {self.groups} groups", 0, attribute="groups")
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, *params = operands
        leading = x.shape[:-3] if x.ndim >= 4 else x.shape[:1]
        grouped = x.reshape(*leading, self.groups, -1)
        centred = grouped - grouped.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        return (scaled((centred / np.sqrt(variance + self.epsilon(x))).reshape(x.shape), tuple(params)),)


@operation
@dataclass(frozen=True)
class LayerNorm(Norm):
    """Mean 0 and variance 1 over the channels at each position, then scale and shift; of maps, tokens and vectors.

    Operands: x, then scale and shift, if any.
    """

    name = "layer_norm"
    arity = (1, 3)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        self.check(*operands)
        return (operands[0],)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, *params = operands
        axis = array_axis(x, 0)
        centred = x - x.mean(axis, keepdims=True)
        variance = (centred * centred).mean(axis, keepdims=True)
        return (scaled(centred / np.sqrt(variance + self.epsilon(x)), tuple(params)),)


@operation
@dataclass(frozen=True)
class RmsNorm(Norm):
    """`x / sqrt(mean of x * x + eps)` over the channels at each position, then the scale, if any."""

    name = "rms_norm"
    arity = (1, 2)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        self.check(*operands)
        return (operands[0],)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, *params = operands
        square = (x * x).mean(array_axis(x, 0), keepdims=True)
        return (scaled(x / np.sqrt(square + self.epsilon(x)), tuple(params)),)


def _affine(x: TensorType, scale: bool, shift: bool) -> tuple[ParamSpec, ...]:
    needs(1, x, "a norm")
    params = (ParamSpec("weight", (x.channels,), "scale", "ones"), ParamSpec("bias", (x.channels,), "shift", "zeros"))
    return params[: scale + (scale and shift)]


@layer
def batch_norm(x: TensorType, *, eps: float = 1e-5, momentum: float = 0.1) -> Layer:
    """Batch normalisation per channel."""
    shape = (x.channels,) if x.shape else ()
    statistics = (
        ParamSpec("running_mean", shape, "mean", "zeros"),
        ParamSpec("running_var", shape, "var", "ones"),
    )
    return Layer(BatchNorm(eps, momentum), (*_affine(x, True, True), *statistics))


@layer
def scale_shift(x: TensorType) -> Layer:
    """A trained scale and shift per channel, initially 1 and 0."""
    return Layer(ScaleShift(), _affine(x, True, True))


@layer
def group_norm(x: TensorType, groups: int, *, eps: float = 1e-5, affine: bool = True) -> Layer:
    """Normalisation of each group of channels of one sample."""
    return Layer(GroupNorm(eps, groups), _affine(x, affine, True))


@layer
def layer_norm(x: TensorType, *, eps: float = 1e-5, affine: bool = True, bias: bool = True) -> Layer:
    """Normalisation over the channels at each position; `bias=false` omits the shift."""
    return Layer(LayerNorm(eps), _affine(x, affine, bias))


@layer
def rms_norm(x: TensorType, *, eps: float = 1e-5, affine: bool = True) -> Layer:
    """Division by the root mean square of the channels at each position."""
    return Layer(RmsNorm(eps), _affine(x, affine, False))
