"""Resizing of maps, nearest and bilinear, by PyTorch's `interpolate` with half-pixel centres (align_corners=False)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from itc.ir.op import Array, Layer, Op, Pair, RuleError, layer, operation
from itc.ir.rules import at_least, needs, needs_float
from itc.ir.types import TensorType

MODES = ("nearest", "bilinear")


def nearest_source(size: int, target: int) -> Array:
    """For each of `target` places the source place: floor(i * size / target), rounded in float32 as PyTorch does."""
    scale = np.float32(size) / np.float32(target)
    places = np.floor(np.arange(target, dtype=np.float32) * scale).astype(np.int64)
    return np.asarray(np.minimum(places, size - 1))


def linear_source(size: int, target: int) -> tuple[Array, Array, Array]:
    """For each of `target` places: the two source places around its centre and the weight of the second."""
    centre = np.maximum((np.arange(target) + 0.5) * (size / target) - 0.5, 0)
    low = np.minimum(centre.astype(np.int64), size - 1)
    return low, np.minimum(low + 1, size - 1), centre - low


@operation
@dataclass(frozen=True)
class Resize(Op):
    """A map at other sizes: those of the second operand, of which only the shape is read, `factor` times its own, or
    height and width `size`.
    """

    name = "resize"
    shape_only = frozenset({1})
    arity = (1, 2)
    mode: str = "nearest"
    factor: int = 0
    size: Pair = (0, 0)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        for position, operand in enumerate(operands):
            needs(3, operand, "resize", position)
        x = operands[0]
        needs_float("resize", x)
        if self.mode not in MODES:
            raise RuleError(f"there is no mode {self.mode}; there are {', '.join(MODES)}", attribute="mode")
        at_least(0, "factor", self.factor)
        at_least(0, "size", self.size)
        if (len(operands) == 2) + bool(self.factor) + all(self.size) != 1 or any(self.size) != all(self.size):
            raise RuleError("`resize` takes a factor, a size or a map to be like, one of them", 0)
        return (x.with_shape((*x.shape[:-2], *self.sizes(*(o.shape for o in operands)))),)

    def sizes(self, x: tuple[int, ...], like: tuple[int, ...] = ()) -> tuple[int, int]:
        """Height and width of the result, from the shapes of the operands."""
        if like:
            return like[-2], like[-1]
        return self.size if all(self.size) else (x[-2] * self.factor, x[-1] * self.factor)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        for axis, target in zip((-2, -1), self.sizes(*(o.shape for o in operands)), strict=True):
            x = self._along(x, axis, target)
        return (x,)

    def _along(self, x: Array, axis: int, target: int) -> Array:
        size = x.shape[axis]
        if self.mode == "nearest":
            return np.asarray(x.take(nearest_source(size, target), axis))
        low, high, weight = linear_source(size, target)
        weight = weight.astype(x.dtype).reshape((-1, 1) if axis == -2 else (-1,))
        return np.asarray(x.take(low, axis) * (1 - weight) + x.take(high, axis) * weight)


@layer
def resize_(
    x: TensorType,
    factor: int | float | None = None,
    *,
    size: Pair | None = None,
    like: TensorType | None = None,
    mode: Literal["nearest", "bilinear"] = "nearest",
) -> Layer:
    """The map at `factor` times its size (fractions round down), at height and width `size`, or at those of `like`."""
    needs(3, x, "resize")
    if (factor is None) + (size is None) + (like is None) != 2:
        help = "resize(x, 2), resize(x, size=[h, w]) or resize(x, like=y)"
        raise RuleError("`resize` takes a factor, `size` or `like`, one of them", help=help)
    if size is not None:
        at_least(1, "size", size)
        return Layer(Resize(mode, size=size))
    if factor is None or isinstance(factor, int):
        if factor is not None and factor < 1:
            raise RuleError(f"a resize factor of {factor} is not positive", attribute="factor")
        return Layer(Resize(mode, factor or 0))
    return Layer(Resize(mode, size=_scaled(x, factor)))


def _scaled(x: TensorType, factor: float) -> Pair:
    """Height and width of a map times a fraction, rounded down, as PyTorch does."""
    height, width = (int(size * factor) for size in x.shape[-2:]) if 0 < factor < 2**31 else (0, 0)
    if height < 1 or width < 1:
        raise RuleError(f"{factor} times {x.shape[-2]} x {x.shape[-1]} is no size of a map", attribute="factor")
    return height, width
