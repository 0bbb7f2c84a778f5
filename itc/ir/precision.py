"""How operations compute on narrow elements: in wider ones, rounded once to the type of the result.

- `f16`: operands are converted to float32, exactly; sums and all else are computed in float32, and each result is
  rounded once, to the nearest float16 (ties to even). So a float16 product has float32 partial sums.
- `i8`: operands are converted, exactly, to float64 for products, whose results are `i32`, and to float32 for all else.
  Sums of up to 2**38 products are exact in float64, so they equal int32 sums.

Other operations are computed in the precision of their arrays.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from itc.ir.net import Net, applies
from itc.ir.op import Array, Op
from itc.ir.types import NUMPY_NAMES, TensorType

#: Element types to which results are rounded; results of f32 keep the precision of the computation.
ROUNDED = frozenset({"f16", "i8", "i32"})


def evaluate(op: Op, operands: Iterable[Array], results: Iterable[TensorType]) -> tuple[Array, ...]:
    """The results of `op`, of the types `results`, with the arithmetic of narrow elements."""
    types = tuple(results)
    computed = op.evaluate(*(widened(array, types[0]) for array in operands))
    return tuple(rounded(array, type) for array, type in zip(computed, types, strict=True))


def precision(net: Net) -> str:
    """The precision of a net: the narrowest of `i8`, `f16` and `f32` among the results of its operations."""
    found = {value.tensor.dtype for apply in applies(net.body) for value in apply.results}
    return next((dtype for dtype in ("i8", "f16") if dtype in found), "f32")


def widened(array: Array, result: TensorType) -> Array:
    """An operand in the type in which a result is computed."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype == np.int8:
        return array.astype(np.float64 if result.dtype == "i32" else np.float32)
    return array


def rounded(array: Array, type: TensorType) -> Array:
    """A computed array in the element type of the result; what exceeds float16 is infinite there."""
    if type.dtype not in ROUNDED or array.dtype == NUMPY_NAMES[type.dtype]:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(NUMPY_NAMES[type.dtype])
