"""Unpooling: indices of the maxima of a pool, and the scatter of elements to those indices."""

from __future__ import annotations

import numpy as np

from itc.ir.op import Array, Layer, Op, Pair, RuleError, layer, operation
from itc.ir.ops.pool import Pool
from itc.ir.rules import needs, needs_integer
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class PoolIndices(Pool):
    """Index of the largest element of each window of a max pool: row * width + column; ties give the first.

    It accompanies a `max_pool` with the same attributes, and equals PyTorch's `return_indices`.
    """

    name = "pool_indices"

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        (pooled,) = super().result_types(*operands)
        return (TensorType("i64", pooled.shape),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        height, width = x.shape[-2:]
        # Padding must compare less than -inf.
        windows = self.windows(np.maximum(x, np.finfo(x.dtype).min), -np.inf)
        indices = self.windows(np.arange(height * width).reshape(1, 1, height, width), 0)
        flat = windows.reshape(*windows.shape[:-2], -1)
        chosen = flat.argmax(-1)[..., None]
        indices = np.broadcast_to(indices.reshape(*indices.shape[:-2], -1), flat.shape)
        return (np.take_along_axis(indices, chosen, -1)[..., 0].astype(np.int64),)


@operation
@dataclass(frozen=True)
class MaxUnpool(Op):
    """A map of the size of the last operand: the elements of `x` at the positions `indices`, zeros elsewhere.

    Of several elements for one position (of overlapping windows) the last one by row and column is kept. The others
    do not affect the result, and have no gradient.
    """

    name = "max_unpool"
    arity = (3, 3)
    shape_only = frozenset({2})

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, indices, like = operands
        needs(3, x, "max_unpool")
        needs(3, like, "max_unpool", 2)
        needs_integer("max_unpool", indices, 1)
        if indices.shape != x.shape:
            raise RuleError(f"`max_unpool` of {x} with indices of shape {list(indices.shape)}", 1, 0)
        return (x.with_shape((*x.shape[:-2], *like.shape[-2:])),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, indices, like = operands
        height, width = like.shape[-2:]
        flat = x.reshape(-1, x.shape[-2] * x.shape[-1])
        out = np.zeros((len(flat), height * width), x.dtype)
        np.put_along_axis(out, indices.reshape(flat.shape), flat, -1)
        return (out.reshape(*x.shape[:-2], height, width),)


@layer
def pool_indices(
    x: TensorType, kernel: Pair = (2, 2), *, stride: Pair | None = None, pad: Pair = (0, 0), ceil: bool = False
) -> Layer:
    """The indices of the elements selected by a `max_pool` of the same arguments, for `max_unpool`."""
    return Layer(PoolIndices(kernel, stride or kernel, pad, ceil))


@layer
def max_unpool(x: TensorType, indices: TensorType, *, like: TensorType) -> Layer:
    """Scatters `x` to `indices` (of `pool_indices`) in a map of the size of `like`; of duplicates, the last wins."""
    return Layer(MaxUnpool())
