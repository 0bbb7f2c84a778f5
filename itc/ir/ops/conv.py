"""Convolutions and linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

import numpy as np

from itc.ir.op import MAX_FLOAT, MAX_STD, Array, Layer, Op, Pair, ParamSpec, RuleError, Types, layer, operation
from itc.ir.rules import at_least, at_most, needs, needs_floats_or_i8, needs_param, no_maps, sums_of
from itc.ir.types import TensorType
from itc.records import dataclass

WeightInit = Literal["kaiming", "uniform", "lecun", "xavier", "normal", "zeros"]


def window_size(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Number of window positions along one axis, rounded down as in PyTorch."""
    return (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1


@dataclass(frozen=True)
class Convolution(Op):
    """Base of convolutions and transposed convolutions: their attributes and checks."""

    counted = True
    arity = (2, 3)
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def check(self, *operands: TensorType) -> None:
        """Raises RuleError for attributes and operands that are invalid for every map size."""
        for name in ("stride", "dilation", "groups"):
            at_least(1, name, getattr(self, name))
        at_least(0, "pad", self.pad)
        needs(3, operands[0], self.name)
        needs_floats_or_i8(self.name, *operands)
        if len(operands[1].shape) != 4:
            raise RuleError(f"the weight of `{self.name}` has four axes, not {operands[1]}", 1)


def padded_elements(type: TensorType, margins: Sequence[int]) -> int:
    """Elements of a map with these margins along its height and width, on both sides together."""
    return prod(type.shape[:-2]) * prod(n + m for n, m in zip(type.shape[-2:], margins, strict=True))


@operation
@dataclass(frozen=True)
class Conv(Convolution):
    """Cross-correlation of a map with `weight` [out, in / groups, ky, kx], and an optional `bias` [out].

    Sizes as in PyTorch's `conv2d`, with zero padding. Axes before the channels (of RoIs) are batch axes.
    """

    name = "conv"

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        self.check(*operands)
        x, weight = operands[:2]
        out, per_group, *kernel = weight.shape
        if x.channels != per_group * self.groups:
            raise RuleError(f"the weight takes {per_group * self.groups} channels, its operand has {x.channels}", 0, 1)
        if out % self.groups:
            raise RuleError(f"{out} output channels do not divide into {self.groups} groups", 1)
        needs_param(self.name, operands, 2, (out,))
        sizes = tuple(
            window_size(size, k, s, p, d)
            for size, k, s, p, d in zip(x.shape[-2:], kernel, self.stride, self.pad, self.dilation, strict=True)
        )
        if min(sizes) < 1:
            raise RuleError(
                f"a {kernel[0]} x {kernel[1]} kernel does not fit into a map of {x.shape[-2]} x {x.shape[-1]}", 0
            )
        return (sums_of(x.with_shape((*x.shape[:-3], out, *sizes))),)

    def macs(self, *operands: TensorType) -> int:
        (result,) = self.result_types(*operands)
        return result.size * prod(operands[1].shape[1:])

    def temporary_bytes(self, types: Types, results: Types) -> int:
        """The padded operand, and the operand and the product of one tap."""
        tap = types[0].channels * results[0].size // results[0].channels
        return 4 * (padded_elements(types[0], [2 * p for p in self.pad]) + tap + 2 * results[0].size)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, weight, *bias = operands
        (pad_y, pad_x), (ky, kx), leading = self.pad, weight.shape[2:], x.shape[:-3]
        x = np.pad(x.reshape(-1, *x.shape[-3:]), ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
        height, width = (
            window_size(size, k, s, 0, d)
            for size, k, s, d in zip(x.shape[-2:], (ky, kx), self.stride, self.dilation, strict=True)
        )
        out = np.zeros((x.shape[0], weight.shape[0], height, width), x.dtype)
        for i in range(ky):
            for j in range(kx):
                out += self._tap(x, weight[:, :, i, j], (i, j), (height, width))
        out = out + bias[0][:, None, None] if bias else out
        return (out.reshape(*leading, *out.shape[1:]),)

    def _tap(self, x: Array, weight: Array, tap: Pair, size: Pair) -> Array:
        """The summand of one kernel position: a product over channels at each pixel of the result."""
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
    arity = (2, 3)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, weight = operands[:2]
        needs_floats_or_i8("linear", *operands)
        if len(weight.shape) != 2:
            raise RuleError(f"the weight of `linear` has two axes, not {weight}", 1)
        if not x.shape or x.shape[-1] != weight.shape[1]:
            raise RuleError(f"the weight takes {weight.shape[1]} features, its operand is {x}", 0, 1)
        needs_param("linear", operands, 2, weight.shape[:1])
        return (sums_of(x.with_shape((*x.shape[:-1], weight.shape[0]))),)

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


def weight_init(init: str, std: float | None, default: str = "kaiming") -> str:
    """The `init` of a weight: a normal distribution of standard deviation `std`, if given.

    `default` is the layer's default; `std` with another `init` is an error.
    """
    if std is None:
        return init
    if init not in (default, "normal"):
        help = "write `init=normal`, or remove one of them"
        raise RuleError(f"`std` applies to `init=normal`, not to `init={init}`", attribute="std", help=help)
    at_least(0, "std", std)
    at_most(MAX_STD, "std", std)
    return f"normal({float(std)!r})"


def biases(given: bool, channels: int, value: float) -> tuple[ParamSpec, ...]:
    """The bias of a layer, if it has one."""
    if value and not given:
        raise RuleError("`bias_init` needs a bias", attribute="bias_init", help="add one: `bias=true`")
    at_most(MAX_FLOAT, "bias_init", value)
    return (ParamSpec("bias", (channels,), "bias", number_init(value)),) if given else ()


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
    init: WeightInit = "kaiming",
    std: float | None = None,
    bias_init: float = 0.0,
) -> Layer:
    """Convolution to `out` channels; `pad=same` keeps the size at stride 1. `std` implies `init=normal`."""
    needs(3, x, "conv")
    at_least(1, "out", out)
    at_least(1, "kernel", kernel)
    if groups < 1 or x.channels % groups or out % groups:
        raise RuleError(
            f"{groups} groups do not divide {x.channels} input and {out} output channels", attribute="groups"
        )
    if pad == "same" and any(k % 2 == 0 for k in kernel):
        raise RuleError(
            "`pad=same` needs an odd kernel", attribute="kernel", help="give the padding as a number: `pad=0`"
        )
    weight = ParamSpec("weight", (out, x.channels // groups, *kernel), "weight", weight_init(init, std))
    padding = same_pad(kernel, dilation) if pad == "same" else pad
    return Layer(Conv(stride, padding, dilation, groups), (weight, *biases(bias, out, bias_init)))


@layer
def depthwise(
    x: TensorType,
    kernel: Pair = (3, 3),
    *,
    stride: Pair = (1, 1),
    pad: Pair | Literal["same"] = "same",
    dilation: Pair = (1, 1),
    bias: bool = False,
    init: WeightInit = "kaiming",
    std: float | None = None,
    bias_init: float = 0.0,
) -> Layer:
    """Depth-wise convolution: one kernel per channel."""
    needs(3, x, "depthwise")
    start: dict[str, Any] = {"init": init, "std": std, "bias_init": bias_init}
    window: dict[str, Any] = {"stride": stride, "pad": pad, "dilation": dilation}
    return conv_(x, x.channels, kernel, groups=x.channels, bias=bias, **window, **start)


@layer
def linear(
    x: TensorType,
    out: int | None = None,
    *,
    weight: TensorType | None = None,
    bias: bool = True,
    init: WeightInit = "uniform",
    std: float | None = None,
    bias_init: float = 0.0,
) -> Layer:
    """Linear layer of a vector, or of each token, to `out` features. `std` implies `init=normal`.

    With `weight`, the weight is a `param` [out, in], which other calls may use as well: the table of an `embed`.
    """
    needs(1, x, "linear")
    no_maps("linear", x, help="use `conv(x, out, 1)` for the channels of a map, or make it a vector: `global_pool(x)`")
    if weight is not None:
        needs(1, weight, "linear", 1)
        if (out, init, std) != (None, "uniform", None):
            help = "give the `param` its shape and its `init`"
            raise RuleError("`linear` with a `weight` takes no width and no `init`", attribute="weight", help=help)
        return Layer(Linear(), biases(bias, weight.shape[0], bias_init), weight=1)
    if out is None:
        raise RuleError("`linear` needs a width, or a `weight`", help="linear(x, 10)")
    at_least(1, "out", out)
    spec = ParamSpec("weight", (out, x.shape[-1]), "weight", weight_init(init, std, "uniform"))
    return Layer(Linear(), (spec, *biases(bias, out, bias_init)))


def number_init(value: float) -> str:
    """A constant as the `init` of a parameter."""
    return "zeros" if value == 0 else "ones" if value == 1 else repr(float(value))
