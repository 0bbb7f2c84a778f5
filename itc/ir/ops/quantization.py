"""Conversions between f32 and symmetric i8, by the scales of a quantised net; the pass `quantize` writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from itc.ir.op import Array, Op, RuleError, operation
from itc.ir.rules import axis_of, needs, needs_param
from itc.ir.types import TensorType

#: The largest i8: -128 is not used, so that the range is symmetric.
MOST = 127


@operation
@dataclass(frozen=True)
class ToInt8(Op):
    """`x / scale`, with a scale f32[1], to the nearest integer (ties to even), limited to -127..127; 0 for nan."""

    name = "quantize"
    arity = (2, 2)
    pointwise = True

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, scale = operands
        if x.dtype != "f32" or scale != TensorType("f32", (1,)):
            raise RuleError(f"`quantize` takes f32 and a scale f32[1], not {x} and {scale}", 0)
        return (x.with_dtype("i8"),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, scale = operands
        return (to_int8(x, scale),)


def to_int8(x: Array, scale: Array) -> Array:
    """`x` as int8, by scales that broadcast with it, in float32."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        rounded = np.rint(x.astype(np.float32) / scale.astype(np.float32))
    return np.asarray(np.nan_to_num(np.clip(rounded, -MOST, MOST)), np.int8)


@operation
@dataclass(frozen=True)
class FromInt8(Op):
    """`q * scale`, of an i8; of sums (i32) `sums * (scale * weights) + bias`, with one number per channel of these two.

    Operands: q and scale f32[1]; for sums also the scales of the weights, f32[channels], and perhaps a bias. `axis` is
    that of the channels, counted from the end; 0 stands for the usual one.
    """

    name = "dequantize"
    arity = (2, 4)
    pointwise = True
    axis: int = 0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        q, scale = operands[:2]
        needs(1 if len(operands) > 2 else 0, q, "dequantize")
        if q.dtype != ("i32" if len(operands) > 2 else "i8") or scale != TensorType("f32", (1,)):
            raise RuleError(f"`dequantize` takes i8 or sums in i32, and a scale f32[1], not {q} and {scale}", 0)
        for position in range(2, len(operands)):
            needs_param("dequantize", operands, position, (q.shape[axis_of(q, self.axis)],))
        return (q.with_dtype("f32"),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        q, scale, *channels = operands
        axis = self.axis or (-3 if q.ndim >= 4 else -1)
        shape = [1] * -axis
        shape[axis] = -1
        return (from_int8(q, scale, *(each.reshape(shape) for each in channels)),)


def from_int8(q: Array, scale: Array, weights: Array | None = None, bias: Array | None = None) -> Array:
    """Integers as float32, by scales that broadcast with them."""
    out = q.astype(np.float32) * (scale if weights is None else scale * weights)
    return np.asarray(out if bias is None else out + bias, np.float32)
