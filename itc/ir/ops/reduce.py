"""Operations over whole axes: softmax, reductions, and the relative distance of two tensors."""

from __future__ import annotations

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, layer, operation
from itc.ir.rules import array_axis, at_least, axis_of, channels_or, needs, needs_float
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class Softmax(Op):
    """exp(x) / sum of exp(x) over an axis: `axis` counts from the end; 0 stands for the channels."""

    name = "softmax"
    axis: int = 0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        needs(1, operands[0], "softmax")
        needs_float("softmax", operands[0])
        axis_of(operands[0], self.axis)
        return (operands[0],)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        axis = array_axis(x, self.axis)
        powers = np.exp(x - x.max(axis, keepdims=True))
        return (powers / powers.sum(axis, keepdims=True),)


@dataclass(frozen=True)
class Reduce(Op):
    """Base of reductions over `axes`, which ascend and count from the end (none: all); removed, or kept as size 1."""

    axes: tuple[int, ...] = ()
    keep: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(1, x, self.name)
        needs_float(self.name, x)
        gone = self.positions(len(x.shape))
        if list(gone) != sorted(set(gone)) or any(not 0 <= at < len(x.shape) for at in gone):
            raise RuleError(f"{x} has no axes {list(self.axes)}", attribute="axes")
        kept = ((at, size) for at, size in enumerate(x.shape) if self.keep or at not in gone)
        return (x.with_shape(tuple(1 if at in gone else size for at, size in kept)),)

    def positions(self, rank: int) -> tuple[int, ...]:
        """The reduced axes of a tensor of `rank` axes, counted from the front."""
        return tuple(rank + axis for axis in self.axes) if self.axes else tuple(range(rank))

    def array_axes(self, x: Array) -> tuple[int, ...]:
        return tuple(1 + at for at in self.positions(x.ndim - 1))


@operation
@dataclass(frozen=True)
class ReduceMean(Reduce):
    """Mean over some axes."""

    name = "reduce_mean"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (x.mean(self.array_axes(x), keepdims=self.keep),)


@operation
@dataclass(frozen=True)
class ReduceMax(Reduce):
    """Largest element over some axes."""

    name = "reduce_max"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (x.max(self.array_axes(x), keepdims=self.keep),)


@operation
@dataclass(frozen=True)
class ReduceSum(Reduce):
    """Sum over some axes."""

    name = "reduce_sum"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        return (x.sum(self.array_axes(x), keepdims=self.keep),)


@operation
@dataclass(frozen=True)
class ArgMax(Op):
    """Index of the largest element along an axis (0: the channels, else from the end); ties give the first."""

    name = "argmax"
    axis: int = 0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(1, x, "argmax")
        at = axis_of(x, self.axis)
        return (TensorType("i64", x.shape[:at] + x.shape[at + 1 :]),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].argmax(array_axis(operands[0], self.axis)).astype(np.int64),)


@operation
@dataclass(frozen=True)
class Change(Op):
    """Relative distance of two tensors: the norm of `a - b` over that of `b` (at least `eps`), one number per sample.

    As a halting score it detects convergence.
    """

    name = "change"
    arity = (2, 2)
    eps: float = 1e-12

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        left, right = operands
        needs_float("change", left, right)
        at_least(0, "eps", self.eps)
        if left.shape != right.shape:
            raise RuleError(f"`change` of {left} and {right}", 1, 0)
        return (left.with_shape((1,)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        a, b = (x.reshape(len(x), -1) for x in operands)
        size = np.sqrt((b * b).sum(-1, keepdims=True))
        apart = np.sqrt(((a - b) ** 2).sum(-1, keepdims=True))
        return (apart / np.maximum(size, np.asarray(self.eps, b.dtype)),)


Axes = int | tuple[int, ...] | None


def _axes(x: TensorType, axes: Axes) -> tuple[int, ...]:
    """Axes of a spec, counted from either end, as the attribute of an operation."""
    if axes is None:
        return ()
    given = (axes,) if isinstance(axes, int) else axes
    rank = len(x.shape)
    if not given or any(not -rank <= axis < rank for axis in given) or len({a % rank for a in given}) < len(given):
        help = f"its axes are 0 to {rank - 1}, or -1 to -{rank}; omit `axes` for all" if rank else ""
        raise RuleError(f"{list(given)} are not axes of {x}", attribute="axes", help=help)
    stored = tuple(sorted(axis % rank - rank for axis in given))
    return () if len(stored) == rank else stored


@layer
def softmax(x: TensorType, *, axis: int | None = None) -> Layer:
    """Softmax over the channels, or another axis."""
    return Layer(Softmax(channels_or(x, axis)))


@layer
def reduce_mean(x: TensorType, axes: int | tuple[int, ...] | None = None, *, keep: bool = False) -> Layer:
    """Mean over `axes`, or all; `keep` retains them with size 1."""
    return Layer(ReduceMean(_axes(x, axes), keep))


@layer
def reduce_max(x: TensorType, axes: int | tuple[int, ...] | None = None, *, keep: bool = False) -> Layer:
    """Maximum over `axes`, or all; `keep` retains them with size 1."""
    return Layer(ReduceMax(_axes(x, axes), keep))


@layer
def reduce_sum(x: TensorType, axes: int | tuple[int, ...] | None = None, *, keep: bool = False) -> Layer:
    """Sum over `axes`, or all; `keep` retains them with size 1."""
    return Layer(ReduceSum(_axes(x, axes), keep))


@layer
def argmax(x: TensorType, *, axis: int | None = None) -> Layer:
    """Index of the largest element along the channels, or another axis."""
    return Layer(ArgMax(channels_or(x, axis)))


@layer
def change(a: TensorType, b: TensorType, *, eps: float = 1e-12) -> Layer:
    """Norm of `a - b` over that of `b`: the relative change between iterations."""
    return Layer(Change(eps))
