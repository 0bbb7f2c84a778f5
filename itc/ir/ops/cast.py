"""Conversion between element types."""

from __future__ import annotations

from typing import Literal

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, layer, operation
from itc.ir.types import DTYPE_BYTES, NUMPY_NAMES, TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class Cast(Op):
    """Conversion to element type `dtype`: to integers by rounding towards zero, to bool by comparison with zero."""

    name = "cast"
    dtype: str = "f32"

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        if self.dtype not in DTYPE_BYTES:
            known = ", ".join(DTYPE_BYTES)
            raise RuleError(f"`{self.dtype}` is not an element type; known: {known}", attribute="dtype")
        return (TensorType(self.dtype, operands[0].shape),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, precise = operands[0], self.dtype == "f32" and operands[0].dtype == np.float64
        return (x if precise else x.astype(NUMPY_NAMES[self.dtype]),)


@layer
def cast(x: TensorType, dtype: Literal["f32", "f16", "i64", "i32", "i8", "bool"]) -> Layer:
    """Conversion to another element type."""
    return Layer(Cast(dtype))
