"""Parts of a tensor, and a tensor as a part of a larger one: slices, single places, padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, layer, operation
from itc.ir.rules import array_axis, at_least, axis_of, channels_or, needs
from itc.ir.types import TensorType


@operation
@dataclass(frozen=True)
class Slice(Op):
    """Every `step`-th place from `start` up to but not at `stop` along an axis; negative ones count from the end.

    `axis` counts from the end, 0 is that of the channels. A `stop` of 0 is the end.
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
        places = self.places(x.shape[at])
        if not places or not -x.shape[at] <= self.start or not -x.shape[at] <= self.stop <= x.shape[at]:
            bounds = f"{self.start} to {self.stop or 'the end'}"
            raise RuleError(f"{x} has {x.shape[at]} places along that axis, none from {bounds}", 0, attribute="start")
        return (x.with_shape((*x.shape[:at], len(places), *x.shape[at + 1 :])),)

    def places(self, size: int) -> range:
        """The places that are taken of an axis of `size`."""
        return range(size)[self.start : self.stop or None : self.step]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        chosen = [slice(None)] * x.ndim
        chosen[array_axis(x, self.axis)] = slice(self.start, self.stop or None, self.step)
        return (x[tuple(chosen)],)


@operation
@dataclass(frozen=True)
class Select(Op):
    """One place of an axis, which goes. `axis` counts from the end, 0 is the channels; so does a negative `at`."""

    name = "index"
    axis: int = 0
    at: int = 0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(1, x, "index")
        at = axis_of(x, self.axis)
        if not -x.shape[at] <= self.at < x.shape[at]:
            raise RuleError(f"{x} has {x.shape[at]} places along that axis, no place {self.at}", 0, attribute="at")
        return (x.with_shape(x.shape[:at] + x.shape[at + 1 :]),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].take(self.at, array_axis(operands[0], self.axis)),)


@operation
@dataclass(frozen=True)
class Pad(Op):
    """`before` and `after` more places of `value` along an axis, which counts from the end; 0 is the channels."""

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
    """Channels (or places of another axis) from `start` up to but not at `stop`; negative ones count from the end."""
    needs(1, x, "slice")
    stored = channels_or(x, axis)
    size = x.shape[axis_of(x, stored)]
    if stop == 0 or not -size <= start < size or (stop is not None and not -size <= stop <= size):
        raise RuleError(f"{x} has {size} places along that axis", attribute="start" if stop is None else "stop")
    return Layer(Slice(stored, start, stop or 0, step))


@layer
def index(x: TensorType, at: int, *, axis: int = 0) -> Layer:
    """One place of an axis, which goes; the first axis unless told."""
    needs(1, x, "index")
    return Layer(Select(channels_or(x, axis), at))


@layer
def pad(x: TensorType, before: int, after: int | None = None, *, axis: int | None = None, value: float = 0.0) -> Layer:
    """Places of `value` before and after the channels, or along another axis; as many after as before unless told."""
    needs(1, x, "pad")
    return Layer(Pad(channels_or(x, axis), before, before if after is None else after, value))
