"""Slices, single positions, and padding."""

from __future__ import annotations

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, layer, operation
from itc.ir.rules import array_axis, at_least, axis_of, channels_or, needs
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class Slice(Op):
    """Every `step`-th position from `start` up to, excluding, `stop` along an axis; negative ones count from the end.

    `axis` counts from the end; 0 stands for the channels. A `stop` of 0 is the end.
    """

    name = "slice"
    axis: int = 0
    start: int = 0
    stop: int = 0
    step: int = 1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(1, x, "slice")
        at_least(1, "step", self.step)
        at = axis_of(x, self.axis)
        positions = self.positions(x.shape[at])
        if not positions or not -x.shape[at] <= self.start or not -x.shape[at] <= self.stop <= x.shape[at]:
            bounds = f"{self.start} to {self.stop or 'the end'}"
            message = f"the axis has {x.shape[at]} positions in {x}; the slice from {bounds} is empty or out of range"
            raise RuleError(message, 0, attribute="start")
        return (x.with_shape((*x.shape[:at], len(positions), *x.shape[at + 1 :])),)

    def positions(self, size: int) -> range:
        """The selected positions of an axis of `size`."""
        return range(size)[self.start : self.stop or None : self.step]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        chosen = [slice(None)] * x.ndim
        chosen[array_axis(x, self.axis)] = slice(self.start, self.stop or None, self.step)
        return (x[tuple(chosen)],)


@operation
@dataclass(frozen=True)
class Select(Op):
    """Position `at` of an axis, which is removed; `axis` counts from the end, 0 stands for the channels."""

    name = "index"
    axis: int = 0
    at: int = 0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(1, x, "index")
        at = axis_of(x, self.axis)
        if not -x.shape[at] <= self.at < x.shape[at]:
            raise RuleError(f"the axis has {x.shape[at]} positions in {x}, no position {self.at}", 0, attribute="at")
        return (x.with_shape(x.shape[:at] + x.shape[at + 1 :]),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].take(self.at, array_axis(operands[0], self.axis)),)


@operation
@dataclass(frozen=True)
class Pad(Op):
    """`before` and `after` positions of `value` around an axis; `axis` counts from the end, 0 for the channels."""

    name = "pad"
    axis: int = 0
    before: int = 0
    after: int = 0
    value: float = 0.0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(1, x, "pad")
        at_least(0, "before", (self.before, self.after))
        at = axis_of(x, self.axis)
        return (x.with_shape((*x.shape[:at], self.before + x.shape[at] + self.after, *x.shape[at + 1 :])),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        margins = [(0, 0)] * x.ndim
        margins[array_axis(x, self.axis)] = (self.before, self.after)
        return (np.pad(x, margins, constant_values=np.asarray(self.value).astype(x.dtype)),)


@layer
def slice_(x: TensorType, start: int = 0, stop: int | None = None, *, axis: int | None = None, step: int = 1) -> Layer:
    """Channels (or positions of another axis) from `start` up to, excluding, `stop`; negative from the end."""
    needs(1, x, "slice")
    stored = channels_or(x, axis)
    size = x.shape[axis_of(x, stored)]
    if stop == 0 or not -size <= start < size or (stop is not None and not -size <= stop <= size):
        raise RuleError(f"the axis has {size} positions in {x}", attribute="start" if stop is None else "stop")
    return Layer(Slice(stored, start, stop or 0, step))


@layer
def index(x: TensorType, at: int, *, axis: int = 0) -> Layer:
    """One position of an axis, by default the first; the axis is removed."""
    needs(1, x, "index")
    return Layer(Select(channels_or(x, axis), at))


@layer
def pad(x: TensorType, before: int, after: int | None = None, *, axis: int | None = None, value: float = 0.0) -> Layer:
    """Padding with `value` before and after the channels, or along another axis; `after` is `before` by default."""
    needs(1, x, "pad")
    return Layer(Pad(channels_or(x, axis), before, before if after is None else after, value))
