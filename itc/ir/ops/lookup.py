"""Lookups at computed positions: elements and parts by index, one-hot vectors, and sampling of maps on a grid."""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, Types, layer, operation
from itc.ir.rules import array_axis, at_least, axis_of, channels_or, needs, needs_float, needs_integer
from itc.ir.types import TensorType
from itc.records import dataclass

PADDINGS = ("zeros", "border")
MODES = ("bilinear", "nearest")


def within(what: str, indices: Array, size: int) -> Array:
    """The indices, which must be from 0 to `size` - 1 (IndexError)."""
    if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < size:
        raise IndexError(f"`{what}` at {indices.min()} to {indices.max()} of {size}")
    return indices


@operation
@dataclass(frozen=True)
class Gather(Op):
    """`x` at an index for each element, along an axis: PyTorch's `gather`. Other axes of both are equal."""

    name = "gather"
    arity = (2, 2)
    axis: int = 0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, indices = operands
        needs(1, x, "gather")
        needs_integer("gather", indices, 1)
        axis = axis_of(x, self.axis)
        alike = [(*shape[:axis], *shape[axis + 1 :]) for shape in (x.shape, indices.shape)]
        if len(x.shape) != len(indices.shape) or alike[0] != alike[1]:
            raise RuleError(f"`gather` of {x} by {indices}: only the size of axis {axis} may differ", 1, 0)
        return (x.with_shape(indices.shape),)

    def indexed(self, types: Types) -> tuple[int, int] | None:
        return 1, types[0].shape[axis_of(types[0], self.axis)]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, indices = operands
        axis = array_axis(x, self.axis)
        return (np.take_along_axis(x, within("gather", indices, x.shape[axis]), axis),)


@operation
@dataclass(frozen=True)
class Take(Op):
    """The parts of `x` at indices along an axis, which the axes of the indices replace: PyTorch's `index_select`."""

    name = "take"
    arity = (2, 2)
    axis: int = -1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, indices = operands
        needs(1, x, "take")
        needs_integer("take", indices, 1)
        axis = axis_of(x, self.axis)
        return (x.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])),)

    def indexed(self, types: Types) -> tuple[int, int] | None:
        return 1, types[0].shape[axis_of(types[0], self.axis)]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, indices = operands
        axis = array_axis(x, self.axis)
        within("take", indices, x.shape[axis])
        return (np.stack([sample.take(ids, axis) for sample, ids in zip(x, indices, strict=True)]),)


@operation
@dataclass(frozen=True)
class OneHot(Op):
    """A vector of `count` channels for each id, 1 at the id and 0 elsewhere; f32, with the channels last."""

    name = "one_hot"
    count: int = 1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        needs_integer("one_hot", operands[0], 0)
        at_least(1, "count", self.count)
        return (TensorType("f32", (*operands[0].shape, self.count)),)

    def indexed(self, types: Types) -> tuple[int, int] | None:
        return 0, self.count

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        ids = within("one_hot", operands[0], self.count)
        return ((ids[..., None] == np.arange(self.count)).astype(np.float32),)


@operation
@dataclass(frozen=True)
class GridSample(Op):
    """Samples of a map at the points of a grid [rows, columns, 2]: PyTorch's `grid_sample`.

    A point is (x, y), from -1 at the left and upper border to 1 at the right and lower one: of the outer pixels'
    edges, or with `align_corners` of their centres. Outside the map are zeros, or with `border` the nearest pixels.
    """

    name = "grid_sample"
    arity = (2, 2)
    mode: str = "bilinear"
    padding: str = "zeros"
    align_corners: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, grid = operands
        needs_float("grid_sample", x, grid)
        if len(x.shape) != 3:
            raise RuleError(f"`grid_sample` needs a map (channels, height, width), not {x}", 0)
        if len(grid.shape) != 3 or grid.shape[-1] != 2:
            help = "of a flow [2, height, width]: `transpose(flow, [1, 2, 0])`"
            raise RuleError(f"the grid of `grid_sample` is [rows, columns, 2], not {grid}", 1, help=help)
        for name, word, known in (("mode", self.mode, MODES), ("padding", self.padding, PADDINGS)):
            if word not in known:
                raise RuleError(f"`{word}` is not one of {', '.join(known)}", attribute=name)
        return (x.with_shape((x.shape[0], *grid.shape[:2])),)

    def operations(self, types: Types, results: Types) -> int:
        return 16 * results[0].size

    def temporary_bytes(self, types: Types, results: Types) -> int:
        return 4 * (4 * results[0].size + 16 * prod(results[0].shape[-2:]))

    def pixels(self, points: Array, size: int) -> Array:
        """The positions of points along an axis of `size` pixels, in pixels; far ones just outside the map."""
        scaled = (points + 1) / 2 * (size - 1) if self.align_corners else ((points + 1) * size - 1) / 2
        low, high = (0, size - 1) if self.padding == "border" else (-2, size + 1)
        return np.asarray(np.clip(scaled, low, high))

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, grid = operands
        column, row = (self.pixels(grid[..., at], x.shape[-1 - at]) for at in (0, 1))
        if self.mode == "nearest":
            return (self._at(x, np.rint(row).astype(np.int64), np.rint(column).astype(np.int64)),)
        top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
        down, right = (row - top).astype(x.dtype)[:, None], (column - left).astype(x.dtype)[:, None]
        above = self._at(x, top, left) * (1 - right) + self._at(x, top, left + 1) * right
        below = self._at(x, top + 1, left) * (1 - right) + self._at(x, top + 1, left + 1) * right
        return (above * (1 - down) + below * down,)

    def _at(self, x: Array, row: Array, column: Array) -> Array:
        """The pixels [batch, channels, rows, columns] at these positions, zeros outside the map."""
        height, width = x.shape[-2:]
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        rows, columns = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
        pixels = np.stack([image[:, r, c] for image, r, c in zip(x, rows, columns, strict=True)])
        return np.where(inside[:, None], pixels, np.zeros((), x.dtype))


@layer
def gather(x: TensorType, indices: TensorType, *, axis: int | None = None) -> Layer:
    """Elements of x at `indices` along the channels, or another axis: PyTorch's `gather`."""
    needs(1, x, "gather")
    return Layer(Gather(channels_or(x, axis)))


@layer
def take(x: TensorType, indices: TensorType, *, axis: int = 0) -> Layer:
    """The parts of x at `indices` along an axis, by default the first: rows of a computed table, tokens in an order."""
    channels_or(x, axis)
    return Layer(Take(axis if axis < 0 else axis - len(x.shape)))


@layer
def one_hot(ids: TensorType, count: int) -> Layer:
    """Vectors of `count` channels that are 1 at the id, 0 elsewhere."""
    return Layer(OneHot(count))


@layer
def grid_sample(
    x: TensorType,
    grid: TensorType,
    *,
    mode: Literal["bilinear", "nearest"] = "bilinear",
    padding: Literal["zeros", "border"] = "zeros",
    align_corners: bool = False,
) -> Layer:
    """The map at the points (x, y) of a grid [rows, columns, 2], from -1 to 1, as PyTorch's `grid_sample`."""
    return Layer(GridSample(mode, padding, align_corners))
