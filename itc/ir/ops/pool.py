"""Pooling over windows or the whole map."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from itc.ir.op import RUN, Array, Layer, Op, Pair, RuleError, Types, as_float, layer, operation
from itc.ir.ops.conv import window_size
from itc.ir.rules import at_least, needs, needs_float
from itc.ir.types import TensorType
from itc.records import dataclass


def pool_size(size: int, kernel: int, stride: int, pad: int, ceil: bool) -> int:
    """Number of windows along one axis, as in PyTorch: `ceil` adds a partial window unless it starts in the padding."""
    if not ceil:
        return window_size(size, kernel, stride, pad)
    windows = -(-(size + 2 * pad - kernel) // stride) + 1
    return windows - 1 if (windows - 1) * stride >= size + pad else windows


@dataclass(frozen=True)
class Pool(Op):
    """Base of pools: windows of `kernel` at `stride`, with padding `pad` and, with `ceil`, a last partial window."""

    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    pad: Pair = (0, 0)
    ceil: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        (x,) = operands
        needs(3, x, self.name)
        needs_float(self.name, x)
        at_least(1, "kernel", self.kernel)
        at_least(1, "stride", self.stride)
        at_least(0, "pad", self.pad)
        if any(2 * p > k for p, k in zip(self.pad, self.kernel, strict=True)):
            raise RuleError("the padding of a pool is at most half its kernel", attribute="pad")
        sizes = tuple(
            pool_size(size, k, s, p, self.ceil)
            for size, k, s, p in zip(x.shape[-2:], self.kernel, self.stride, self.pad, strict=True)
        )
        if min(sizes) < 1:
            ky, kx = self.kernel
            raise RuleError(f"a {ky} x {kx} window does not fit into a map of {x.shape[-2]} x {x.shape[-1]}", 0)
        return (x.with_shape((*x.shape[:-2], *sizes)),)

    def operations(self, types: Types, results: Types) -> int:
        """Every element of every window is read."""
        return results[0].size * prod(self.kernel)

    def temporary_bytes(self, types: Types, results: Types) -> int:
        """The padded operand: it ends behind the last window."""
        ends = [(n - 1) * s + k for n, s, k in zip(results[0].shape[-2:], self.stride, self.kernel, strict=True)]
        height, width = (max(e, n + 2 * p) for e, n, p in zip(ends, types[0].shape[-2:], self.pad, strict=True))
        return 4 * (prod(types[0].shape[:-2]) * height * width + results[0].size)

    def windows(self, x: Array, fill: float) -> Array:
        """The windows of `x` as [..., channels, rows, columns, ky, kx], with `fill` outside the map."""
        margins = [(0, 0)] * (x.ndim - 2)
        for size, k, s, p in zip(x.shape[-2:], self.kernel, self.stride, self.pad, strict=True):
            last = (pool_size(size, k, s, p, self.ceil) - 1) * s + k
            margins.append((p, max(0, last - size - p)))
        padded = np.pad(x, margins, constant_values=fill)
        view = sliding_window_view(padded, self.kernel, axis=(-2, -1))[..., :: self.stride[0], :: self.stride[1], :, :]
        rows, columns = (
            pool_size(size, k, s, p, self.ceil)
            for size, k, s, p in zip(x.shape[-2:], self.kernel, self.stride, self.pad, strict=True)
        )
        return view[..., :rows, :columns, :, :]


@operation
@dataclass(frozen=True)
class MaxPool(Pool):
    """Largest element of each window."""

    name = "max_pool"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (self.windows(operands[0], -np.inf).max((-2, -1)),)


@operation
@dataclass(frozen=True)
class AvgPool(Pool):
    """Mean of each window; padding counts as zeros, positions beyond it (`ceil`) do not count, as in PyTorch."""

    name = "avg_pool"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = as_float(operands[0])
        inside = np.pad(
            np.ones((1, 1, *x.shape[-2:]), x.dtype), ((0, 0), (0, 0), *((p, p) for p in self.pad)), constant_values=1
        )
        unpadded = AvgPool(self.kernel, self.stride, (0, 0), self.ceil)
        rows, columns = self.result_types(TensorType("f32", x.shape[1:]))[0].shape[-2:]
        count = unpadded.windows(inside, 0).sum((-2, -1))[:, :, :rows, :columns]
        return (self.windows(x, 0).sum((-2, -1)) / count,)


def adaptive_edges(size: int, parts: int) -> tuple[Array, Array]:
    """Start and end position of each of `parts` windows over `size` positions, as in PyTorch."""
    part = np.arange(parts)
    return part * size // parts, -(-(part + 1) * size // parts)


@operation
@dataclass(frozen=True)
class AdaptivePool(Op):
    """Mean over a grid of windows that covers the map; the result has height and width `size`."""

    name = "adaptive_pool"
    size: Pair = (1, 1)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        (x,) = operands
        needs(3, x, "adaptive_pool")
        needs_float("adaptive_pool", x)
        at_least(1, "size", self.size)
        return (x.with_shape((*x.shape[:-2], *self.size)),)

    def operations(self, types: Types, results: Types) -> int:
        """Windows overlap by one position at most; each is an array operation."""
        height = types[0].shape[-2]
        rows = types[0].size // max(height, 1) * (height + self.size[0])
        return rows + 2 * results[0].size + RUN * sum(self.size)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        for axis, parts in zip((-2, -1), self.size, strict=True):
            windows = zip(*adaptive_edges(x.shape[axis], parts), strict=True)
            x = np.concatenate([x.take(range(*w), axis).mean(axis, keepdims=True) for w in windows], axis)
        return (x,)


@operation
@dataclass(frozen=True)
class GlobalPool(Op):
    """Mean over the spatial axes, which are removed."""

    name = "global_pool"

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        needs(3, operands[0], "global_pool")
        needs_float("global_pool", operands[0])
        return (operands[0].with_shape(operands[0].shape[:-2]),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].mean((-2, -1)),)


def _window(op: Callable[..., Op], x: TensorType, kernel: Pair, stride: Pair | None, pad: Pair, ceil: bool) -> Layer:
    needs(3, x, "a pool")
    fields: dict[str, Any] = {"kernel": kernel, "stride": stride or kernel, "pad": pad, "ceil": ceil}
    return Layer(op(**fields))


@layer
def max_pool(
    x: TensorType, kernel: Pair = (2, 2), *, stride: Pair | None = None, pad: Pair = (0, 0), ceil: bool = False
) -> Layer:
    """Largest element of each window; the stride is the kernel unless given."""
    return _window(MaxPool, x, kernel, stride, pad, ceil)


@layer
def avg_pool(
    x: TensorType, kernel: Pair = (2, 2), *, stride: Pair | None = None, pad: Pair = (0, 0), ceil: bool = False
) -> Layer:
    """Mean of each window; the stride is the kernel unless given."""
    return _window(AvgPool, x, kernel, stride, pad, ceil)


@layer
def global_pool(x: TensorType) -> Layer:
    """Mean over height and width: a vector of channels."""
    return Layer(GlobalPool())


@layer
def adaptive_pool(x: TensorType, size: Pair) -> Layer:
    """Mean over a grid of `size` windows that covers the map."""
    return Layer(AdaptivePool(size))
