"""Nearest, bilinear and bicubic resizing of maps, equal to PyTorch's `interpolate` on a CPU."""

from __future__ import annotations

from typing import Literal

import numpy as np

from itc.ir.op import Array, Layer, Op, Pair, RuleError, Types, layer, operation
from itc.ir.rules import at_least, needs, needs_float
from itc.ir.types import TensorType
from itc.records import dataclass

MODES = ("nearest", "bilinear", "bicubic")
#: The coefficient of the cubic convolution (Keys 1981), as in PyTorch.
CUBIC = -0.75


@operation
@dataclass(frozen=True)
class Resize(Op):
    """A map at other sizes: those of the second operand, of which only the shape is read, `factor` times its own, or
    height and width `size`.

    With a factor, samples are 1 / factor apart, also where the size was rounded down: PyTorch's `scale_factor`. Else
    their distance is the ratio of the sizes. The centres of pixels lie half a pixel inside the borders; with
    `align_corners` those of the corners coincide. An axis whose size stays keeps its values.
    """

    name = "resize"
    shape_only = frozenset({1})
    arity = (1, 2)
    mode: str = "nearest"
    factor: int | float = 0
    size: Pair = (0, 0)
    align_corners: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        for position, operand in enumerate(operands):
            needs(3, operand, "resize", position)
        x = operands[0]
        needs_float("resize", x)
        if self.mode not in MODES:
            raise RuleError(f"`{self.mode}` is not a mode; known: {', '.join(MODES)}", attribute="mode")
        if self.align_corners and self.mode == "nearest":
            help = "write `mode=bilinear` or `mode=bicubic`, or remove `align_corners`"
            raise RuleError(
                "`align_corners` is for bilinear and bicubic resizing", attribute="align_corners", help=help
            )
        at_least(0, "factor", self.factor)
        at_least(0, "size", self.size)
        if (len(operands) == 2) + bool(self.factor) + all(self.size) != 1 or any(self.size) != all(self.size):
            raise RuleError("`resize` takes a factor, a size or a map to be like, one of them", 0)
        if not self.factor < 2**31 or min(sizes := self.sizes(*(o.shape for o in operands))) < 1:
            raise RuleError(
                f"{self.factor} times {x.shape[-2]} x {x.shape[-1]} is not a valid map size", attribute="factor"
            )
        return (x.with_shape((*x.shape[:-2], *sizes)),)

    def sizes(self, x: tuple[int, ...], like: tuple[int, ...] = ()) -> tuple[int, int]:
        """Height and width of the result, from the shapes of the operands."""
        if like:
            return like[-2], like[-1]
        return self.size if all(self.size) else (int(x[-2] * self.factor), int(x[-1] * self.factor))

    def distance(self, size: int, target: int) -> float:
        """Distance of two samples in source pixels, along an axis resized from `size` to `target`."""
        if size == target:
            return 1.0
        if self.align_corners:
            return (size - 1) / (target - 1) if target > 1 else 0.0
        return 1 / self.factor if self.factor else size / target

    def nearest_source(self, size: int, target: int) -> Array:
        """Source pixel of each of `target` pixels, rounded in float32 as in PyTorch, exact at twice the size."""
        distance = np.float32(0.5 if target == 2 * size else self.distance(size, target))
        pixels = np.floor(np.arange(target, dtype=np.float32) * distance).astype(np.int64)
        return np.asarray(np.minimum(pixels, size - 1))

    def linear_source(self, size: int, target: int) -> tuple[Array, Array, Array]:
        """For each of `target` pixels, the two source pixels around its sample and the weight of the second."""
        distance, pixels = self.distance(size, target), np.arange(target)
        sample = pixels * distance if self.align_corners else np.maximum((pixels + 0.5) * distance - 0.5, 0)
        low = np.minimum(sample.astype(np.int64), size - 1)
        return low, np.minimum(low + 1, size - 1), np.minimum(sample - low, 1)

    def temporary_bytes(self, types: Types, results: Types) -> int:
        """The map behind the first axis, and the second pixel of each sample along the other."""
        (*_, width), (*_, target) = types[0].shape, results[0].shape
        return results[0].bytes * max(2 * width, width + target) // target

    def cubic_source(self, size: int, target: int) -> tuple[Array, Array]:
        """For each of `target` pixels, the four source pixels around its sample, and their weights: [target, 4]."""
        distance, pixels = self.distance(size, target), np.arange(target)
        sample = pixels * distance if self.align_corners else (pixels + 0.5) * distance - 0.5
        first = np.floor(sample).astype(np.int64)
        offsets = np.arange(-1, 3)
        apart = np.abs((sample - first)[:, None] - offsets)
        near = ((CUBIC + 2) * apart - (CUBIC + 3)) * apart * apart + 1
        far = ((CUBIC * apart - 5 * CUBIC) * apart + 8 * CUBIC) * apart - 4 * CUBIC
        return np.clip(first[:, None] + offsets, 0, size - 1), np.where(apart <= 1, near, far)

    def sources(self, size: int, target: int) -> list[tuple[Array, Array]]:
        """The source pixels of `target` pixels with their weights, which add up to 1."""
        if self.mode == "nearest":
            return [(self.nearest_source(size, target), np.ones(target))]
        if self.mode == "bilinear":
            low, high, weight = self.linear_source(size, target)
            return [(low, 1 - weight), (high, weight)]
        return list(zip(*(array.T for array in self.cubic_source(size, target)), strict=True))

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        for axis, target in zip((-2, -1), self.sizes(*(o.shape for o in operands)), strict=True):
            x = self._along(x, axis, target)
        return (x,)

    def _along(self, x: Array, axis: int, target: int) -> Array:
        size = x.shape[axis]
        if self.mode == "nearest":
            return np.asarray(x.take(self.nearest_source(size, target), axis))
        column = (-1, 1) if axis == -2 else (-1,)
        (pixels, share), *others = self.sources(size, target)
        out = x.take(pixels, axis) * share.astype(x.dtype).reshape(column)
        for pixels, share in others:
            seen = x.take(pixels, axis)
            seen *= share.astype(x.dtype).reshape(column)
            out += seen
        return np.asarray(out)


@layer
def resize_(
    x: TensorType,
    factor: int | float | None = None,
    *,
    size: Pair | None = None,
    like: TensorType | None = None,
    mode: Literal["nearest", "bilinear", "bicubic"] = "nearest",
    align_corners: bool = False,
) -> Layer:
    """The map at `factor` times its size, PyTorch's `scale_factor`, at height and width `size`, or at those of `like`.

    A factor's sizes round down, its samples are 1 / factor apart. `align_corners` is PyTorch's; `nearest` has none.
    """
    needs(3, x, "resize")
    if (factor is None) + (size is None) + (like is None) != 2:
        help = "resize(x, 2), resize(x, size=[h, w]) or resize(x, like=y)"
        raise RuleError("`resize` takes exactly one of a factor, `size` and `like`", help=help)
    if size is not None:
        at_least(1, "size", size)
        return Layer(Resize(mode, size=size, align_corners=align_corners))
    if factor is not None and not factor > 0:
        raise RuleError(f"a resize factor of {factor} is not positive", attribute="factor")
    if isinstance(factor, float) and factor.is_integer() and factor < 2**31:
        factor = int(factor)
    return Layer(Resize(mode, factor or 0, align_corners=align_corners))
