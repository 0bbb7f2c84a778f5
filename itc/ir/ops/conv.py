"""Convolutions and linear layers: the operations that the papers count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from itc.ir.op import Array, Layer, Op, Pair, ParamSpec, RuleError, at_least, layer, needs, operation, takes
from itc.ir.types import TensorType


def window_size(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Positions of a window along one axis, by PyTorch's floor rule."""
    return (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1


def fits(bias: Sequence[TensorType], weight: TensorType) -> None:
    """Raises RuleError unless a bias, if there is one, has a number for each output of `weight`."""
    if any(type.shape != weight.shape[:1] for type in bias):
        raise RuleError(f"the bias is {bias[0]}, the weight has {weight.shape[0]} outputs", 2, 1)


@operation
@dataclass(frozen=True)
class Conv(Op):
    """Cross-correlation of a map with `weight` [out, in / groups, ky, kx], and an optional `bias` [out].

    Sizes by PyTorch's `conv2d` rule; out of the map is zero.
    """

    name = "conv"
    counted = True
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        takes(operands, "conv", 2, 3)
        x, weight, *bias = operands
        needs(3, x, "conv")
        self._check(weight, *bias)
        out, per_group, *kernel = weight.shape
        if x.channels != per_group * self.groups:
            raise RuleError(f"the weight takes {per_group * self.groups} channels, its operand has {x.channels}", 0, 1)
        if out % self.groups:
            raise RuleError(f"{out} output channels do not divide into {self.groups} groups", 1)
        sizes = tuple(
            window_size(size, k, s, p, d)
            for size, k, s, p, d in zip(x.shape[-2:], kernel, self.stride, self.pad, self.dilation, strict=True)
        )
        if min(sizes) < 1:
            raise RuleError(
                f"a {kernel[0]} x {kernel[1]} kernel does not fit into a map of {x.shape[-2]} x {x.shape[-1]}", 0
            )
        return (x.with_shape((out, *sizes)),)

    def _check(self, weight: TensorType, *bias: TensorType) -> None:
        at_least(1, "stride", self.stride)
        at_least(0, "pad", self.pad)
        at_least(1, "dilation", self.dilation)
        at_least(1, "groups", (self.groups,))
        if len(weight.shape) != 4:
            raise RuleError(f"{weight} is not the weight of a convolution", 1)
        fits(bias, weight)

    def macs(self, *operands: TensorType) -> int:
        (result,) = self.result_types(*operands)
        return result.size * prod(operands[1].shape[1:])

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, weight, *bias = operands
        (pad_y, pad_x), (ky, kx) = self.pad, weight.shape[2:]
        x = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
        height, width = (
            window_size(size, k, s, 0, d)
            for size, k, s, d in zip(x.shape[-2:], (ky, kx), self.stride, self.dilation, strict=True)
        )
        out = np.zeros((x.shape[0], weight.shape[0], height, width), x.dtype)
        for i in range(ky):
            for j in range(kx):
                out += self._tap(x, weight[:, :, i, j], (i, j), (height, width))
        return (out + bias[0][:, None, None] if bias else out,)

    def _tap(self, x: Array, weight: Array, tap: Pair, size: Pair) -> Array:
        """What one kernel position adds: a product over channels at every place of the result."""
        rows, columns = (
            slice(t * d, t * d + s * (n - 1) + 1, s)
            for t, d, s, n in zip(tap, self.dilation, self.stride, size, strict=True)
        )
        seen = x[:, :, rows, columns]
        batch, channels = seen.shape[:2]
        if self.groups == channels == weight.shape[0]:
            return np.asarray(seen * weight[:, 0, None, None])
        grouped = seen.reshape(batch, self.groups, channels // self.groups, -1)
        weights = weight.reshape(self.groups, -1, weight.shape[1])
        return np.asarray(np.matmul(weights, grouped).reshape(batch, weight.shape[0], *size))


@operation
@dataclass(frozen=True)
class Linear(Op):
    """Product of the last axis with `weight` [out, in], and an optional `bias` [out]."""

    name = "linear"

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        takes(operands, "linear", 2, 3)
        x, weight, *bias = operands
        if len(weight.shape) != 2:
            raise RuleError(f"{weight} is not the weight of a linear layer", 1)
        fits(bias, weight)
        if not x.shape or x.shape[-1] != weight.shape[1]:
            raise RuleError(f"the weight takes {weight.shape[1]} features, its operand is {x}", 0, 1)
        return (x.with_shape((*x.shape[:-1], weight.shape[0])),)

    def macs(self, *operands: TensorType) -> int:
        (result,) = self.result_types(*operands)
        return result.size * operands[1].shape[1]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, weight, *bias = operands
        out = x @ weight.T
        return (out + bias[0] if bias else out,)


def same_pad(kernel: Pair, dilation: Pair) -> Pair:
    """The padding that keeps the size at stride 1, for odd kernels."""
    return tuple((k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True))  # type: ignore[return-value]


@layer
def conv_(
    x: TensorType,
    out: int,
    kernel: Pair = (3, 3),
    *,
    stride: Pair = (1, 1),
    pad: Pair | Literal["same"] = "same",
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: bool = False,
    init: Literal["kaiming", "uniform", "zeros"] = "kaiming",
    bias_init: float = 0.0,
) -> Layer:
    """Convolution to `out` channels; `pad=same` keeps the size at stride 1."""
    needs(3, x, "conv")
    at_least(1, "out", (out,))
    at_least(1, "kernel", kernel)
    if groups < 1 or x.channels % groups or out % groups:
        raise RuleError(
            f"{groups} groups do not divide {x.channels} input and {out} output channels", attribute="groups"
        )
    if pad == "same" and any(k % 2 == 0 for k in kernel):
        raise RuleError(
            "`pad=same` needs an odd kernel", attribute="kernel", help="give the padding as a number: `pad=0`"
        )
    weight = ParamSpec("weight", (out, x.channels // groups, *kernel), "weight", init)
    biases = (ParamSpec("bias", (out,), "bias", number_init(bias_init)),) if bias else ()
    padding = same_pad(kernel, dilation) if pad == "same" else pad
    return Layer(Conv(stride, padding, dilation, groups), (weight, *biases))


@layer
def depthwise(
    x: TensorType,
    kernel: Pair = (3, 3),
    *,
    stride: Pair = (1, 1),
    pad: Pair | Literal["same"] = "same",
    dilation: Pair = (1, 1),
    bias: bool = False,
) -> Layer:
    """Convolution of every channel with a kernel of its own."""
    needs(3, x, "depthwise")
    return conv_(x, x.channels, kernel, stride=stride, pad=pad, dilation=dilation, groups=x.channels, bias=bias)


@layer
def linear(
    x: TensorType,
    out: int,
    *,
    bias: bool = True,
    init: Literal["kaiming", "uniform", "zeros"] = "uniform",
    bias_init: float = 0.0,
) -> Layer:
    """Linear layer of the last axis to `out` features."""
    needs(1, x, "linear")
    at_least(1, "out", (out,))
    weight = ParamSpec("weight", (out, x.shape[-1]), "weight", init)
    return Layer(Linear(), (weight, ParamSpec("bias", (out,), "bias", number_init(bias_init))) if bias else (weight,))


def number_init(value: float) -> str:
    """A constant as the `init` of a parameter."""
    return "zeros" if value == 0 else "ones" if value == 1 else repr(float(value))
