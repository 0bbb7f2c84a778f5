"""Convolutions and pools along one axis, of tokens, and along three, of volumes (depth, channels, height, width)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np

from itc.ir.op import Array, Layer, Op, ParamSpec, RuleError, Types, layer, operation
from itc.ir.ops.conv import WeightInit, biases, weight_init, window_size
from itc.ir.rules import at_least, needs_float, needs_param
from itc.ir.types import TensorType
from itc.records import dataclass

Sizes = tuple[int, ...]
#: By the number of spatial axes: these, and what the operand is called.
AXES = {1: (-2,), 3: (-4, -2, -1)}
OPERANDS = {1: "tokens (tokens, channels)", 3: "a volume (depth, channels, height, width)"}


@dataclass(frozen=True)
class Spatial(Op):
    """Base of operations on windows along one or three spatial axes; `stride` has an entry for each.

    Of tokens [tokens, channels] this is the first, of volumes [depth, channels, height, width] all but the channels.
    """

    stride: Sizes = (1,)
    pad: Sizes = (0,)

    @property
    def axes(self) -> Sizes:
        """The spatial axes, from the end."""
        return AXES[len(self.stride)]

    def windows(self, x: TensorType, kernel: Sizes, dilation: Sizes) -> Sizes:
        """The sizes of the result along the spatial axes; raises RuleError for invalid attributes and operands."""
        if len(self.stride) not in AXES or {len(self.pad), len(kernel), len(dilation)} != {len(self.stride)}:
            raise RuleError(f"`{self.name}` has one or three axes, and a kernel, stride and padding for each")
        if len(x.shape) != len(self.stride) + 1:
            raise RuleError(f"`{self.name}` needs {OPERANDS[len(self.stride)]}, not {x}", 0)
        for name, values in (("stride", self.stride), ("kernel", kernel), ("dilation", dilation)):
            at_least(1, name, values)
        at_least(0, "pad", self.pad)
        given = zip((x.shape[axis] for axis in self.axes), kernel, self.stride, self.pad, dilation, strict=True)
        sizes = tuple(window_size(*each) for each in given)
        if min(sizes) < 1:
            raise RuleError(f"a kernel of {' x '.join(map(str, kernel))} does not fit into {x}", 0)
        return sizes

    def resized(self, x: TensorType, sizes: Sizes, channels: int) -> TensorType:
        """The type of `x` with other spatial sizes and channels."""
        shape = list(x.shape)
        shape[x.channel_axis] = channels
        for axis, size in zip(self.axes, sizes, strict=True):
            shape[axis] = size
        return x.with_shape(tuple(shape))

    def padded(self, x: Array, fill: float) -> Array:
        """Channels behind the batch, then the spatial axes with their padding."""
        return np.pad(x.swapaxes(1, 2), ((0, 0), (0, 0), *((p, p) for p in self.pad)), constant_values=fill)

    def taps(self, x: Array, kernel: Sizes, dilation: Sizes) -> Iterator[tuple[Sizes, Array]]:
        """Each position of the kernel, with the elements of the padded `x` under it."""
        spatial = x.shape[2:]
        sizes = [window_size(n, k, s, 0, d) for n, k, s, d in zip(spatial, kernel, self.stride, dilation, strict=True)]
        for tap in product(*map(range, kernel)):
            places = zip(tap, dilation, self.stride, sizes, strict=True)
            parts = [slice(t * d, t * d + s * (n - 1) + 1, s) for t, d, s, n in places]
            yield tap, x[:, :, *parts]

    def temporary_bytes(self, types: Types, results: Types) -> int:
        """The padded operand, and the operand and the product of one tap."""
        margins = [2 * p for p in self.pad]
        spatial = prod(types[0].shape[axis] + m for axis, m in zip(self.axes, margins, strict=True))
        tap = types[0].channels * results[0].size // results[0].channels
        return 4 * (types[0].channels * spatial + tap + 2 * results[0].size)


@operation
@dataclass(frozen=True)
class SpatialConv(Spatial):
    """Cross-correlation with `weight` [out, in / groups, *kernel], and an optional `bias` [out]; zero padding."""

    name = "spatial_conv"
    arity = (2, 3)
    counted = True
    dilation: Sizes = (1,)
    groups: int = 1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, weight = operands[:2]
        needs_float(self.name, *operands)
        if len(weight.shape) < 3:
            raise RuleError(f"the weight of `{self.name}` has three or five axes, not {weight}", 1)
        out, per_group, *kernel = weight.shape
        sizes = self.windows(x, tuple(kernel), self.dilation)
        at_least(1, "groups", self.groups)
        if x.channels != per_group * self.groups:
            raise RuleError(f"the weight takes {per_group * self.groups} channels, its operand has {x.channels}", 0, 1)
        if out % self.groups:
            raise RuleError(f"{out} output channels do not divide into {self.groups} groups", 1)
        needs_param(self.name, operands, 2, (out,))
        return (self.resized(x, sizes, out),)

    def macs(self, *operands: TensorType) -> int:
        (result,) = self.result_types(*operands)
        return result.size * prod(operands[1].shape[1:])

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, weight, *bias = operands
        out: Array | None = None
        for tap, seen in self.taps(self.padded(x, 0), weight.shape[2:], self.dilation):
            grouped = seen.reshape(len(x), self.groups, weight.shape[1], -1)
            own: Any = (slice(None), slice(None), *tap)
            weights = weight[own].reshape(self.groups, -1, weight.shape[1])
            summand = np.matmul(weights, grouped).reshape(len(x), weight.shape[0], *seen.shape[2:])
            out = summand if out is None else out + summand
        assert out is not None
        if bias:
            out = out + bias[0].reshape(-1, *(1,) * len(self.stride))
        return (out.swapaxes(1, 2),)


@operation
@dataclass(frozen=True)
class SpatialPool(Spatial):
    """The largest element of each window, or with `mean` its mean, in which the padding counts as zeros."""

    name = "spatial_pool"
    kernel: Sizes = (2,)
    mean: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        (x,) = operands
        needs_float(self.name, x)
        sizes = self.windows(x, self.kernel, (1,) * len(self.kernel))
        if any(2 * p > k for p, k in zip(self.pad, self.kernel, strict=True)):
            raise RuleError("the padding of a pool is at most half its kernel", attribute="pad")
        return (self.resized(x, sizes, x.channels),)

    def operations(self, types: Types, results: Types) -> int:
        """Every element of every window is read."""
        return results[0].size * prod(self.kernel)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = self.padded(operands[0], 0 if self.mean else -np.inf)
        taps = [seen for _, seen in self.taps(x, self.kernel, (1,) * len(self.kernel))]
        out = sum(taps[1:], taps[0]) / np.asarray(len(taps), x.dtype) if self.mean else np.maximum.reduce(taps)
        return (out.swapaxes(1, 2),)


def sizes_of(name: str, value: int | Sequence[int], axes: int) -> Sizes:
    """A size along each axis; a single number stands for equal ones (RuleError)."""
    sizes = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(sizes) != axes:
        raise RuleError(f"`{name}` has {axes} sizes: depth, height and width", attribute=name)
    return sizes


def _conv(
    x: TensorType,
    out: int,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes | Literal["same"],
    dilation: Sizes,
    groups: int,
    bias: bool,
    init: str,
    bias_init: float,
) -> Layer:
    axes = len(kernel)
    if len(x.shape) != axes + 1:
        raise RuleError(f"`conv{axes}d` needs {OPERANDS[axes]}, not {x}", 0)
    at_least(1, "out", out)
    at_least(1, "kernel", kernel)
    if groups < 1 or x.channels % groups or out % groups:
        message = f"{groups} groups do not divide {x.channels} input and {out} output channels"
        raise RuleError(message, attribute="groups")
    if pad == "same":
        if any(k % 2 == 0 for k in kernel):
            help = "give the padding as a number: `pad=0`"
            raise RuleError("`pad=same` needs an odd kernel", attribute="kernel", help=help)
        pad = tuple((k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True))
    weight = ParamSpec("weight", (out, x.channels // groups, *kernel), "weight", init)
    return Layer(SpatialConv(stride, pad, dilation, groups), (weight, *biases(bias, out, bias_init)))


@layer
def conv1d(
    x: TensorType,
    out: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    pad: int | Literal["same"] = "same",
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    init: WeightInit = "kaiming",
    std: float | None = None,
    bias_init: float = 0.0,
) -> Layer:
    """Convolution along the tokens, to `out` channels; norms and `linear` of tokens fit it."""
    padding: Sizes | Literal["same"] = "same" if pad == "same" else (pad,)
    start = weight_init(init, std)
    return _conv(x, out, (kernel,), (stride,), padding, (dilation,), groups, bias, start, bias_init)


@layer
def conv3d(
    x: TensorType,
    out: int,
    kernel: int | tuple[int, ...] = 3,
    *,
    stride: int | tuple[int, ...] = 1,
    pad: int | tuple[int, ...] | Literal["same"] = "same",
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    bias: bool = False,
    init: WeightInit = "kaiming",
    std: float | None = None,
    bias_init: float = 0.0,
) -> Layer:
    """Convolution of a volume [depth, channels, height, width]: a video, of frames, or a stack of slices.

    Sizes are of depth, height and width; norms and activations of maps fit a volume, `batch_norm` as in 3-D networks.
    """
    padding: Sizes | Literal["same"] = "same" if pad == "same" else sizes_of("pad", pad, 3)
    stride, dilation = sizes_of("stride", stride, 3), sizes_of("dilation", dilation, 3)
    start = weight_init(init, std)
    return _conv(x, out, sizes_of("kernel", kernel, 3), stride, padding, dilation, groups, bias, start, bias_init)


def _pool(x: TensorType, mean: bool, kernel: Sizes, stride: Sizes | None, pad: Sizes) -> Layer:
    if len(x.shape) != len(kernel) + 1:
        name = f"{'avg' if mean else 'max'}_pool{len(kernel)}d"
        raise RuleError(f"`{name}` needs {OPERANDS[len(kernel)]}, not {x}", 0)
    return Layer(SpatialPool(stride or kernel, pad, kernel, mean))


@layer
def max_pool1d(x: TensorType, kernel: int = 2, *, stride: int | None = None, pad: int = 0) -> Layer:
    """Largest element of each window of tokens; the stride is the kernel unless given."""
    return _pool(x, False, (kernel,), (stride,) if stride is not None else None, (pad,))


@layer
def avg_pool1d(x: TensorType, kernel: int = 2, *, stride: int | None = None, pad: int = 0) -> Layer:
    """Mean of each window of tokens; the stride is the kernel unless given."""
    return _pool(x, True, (kernel,), (stride,) if stride is not None else None, (pad,))


@layer
def max_pool3d(
    x: TensorType,
    kernel: int | tuple[int, ...] = 2,
    *,
    stride: int | tuple[int, ...] | None = None,
    pad: int | tuple[int, ...] = 0,
) -> Layer:
    """Largest element of each window of a volume; the stride is the kernel unless given."""
    strides = None if stride is None else sizes_of("stride", stride, 3)
    return _pool(x, False, sizes_of("kernel", kernel, 3), strides, sizes_of("pad", pad, 3))


@layer
def avg_pool3d(
    x: TensorType,
    kernel: int | tuple[int, ...] = 2,
    *,
    stride: int | tuple[int, ...] | None = None,
    pad: int | tuple[int, ...] = 0,
) -> Layer:
    """Mean of each window of a volume; the stride is the kernel unless given."""
    strides = None if stride is None else sizes_of("stride", stride, 3)
    return _pool(x, True, sizes_of("kernel", kernel, 3), strides, sizes_of("pad", pad, 3))
