"""Matrix products and attention."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, Types, layer, operation
from itc.ir.ops.reduce import Softmax
from itc.ir.rules import at_least, needs, needs_float, no_maps
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class MatMul(Op):
    """Product of the matrices in the last two axes, optionally transposed; leading axes must be equal."""

    name = "matmul"
    arity = (2, 2)
    transpose_a: bool = False
    transpose_b: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        left, right = operands
        for position, operand in enumerate(operands):
            needs(2, operand, "matmul", position)
        needs_float("matmul", left, right)
        (rows, inner), (same, columns) = self.sizes(left.shape, right.shape)
        if inner != same or left.shape[:-2] != right.shape[:-2]:
            raise RuleError(f"`matmul` of {rows} x {inner} and {same} x {columns}: {left} and {right}", 1, 0)
        return (left.with_shape((*left.shape[:-2], rows, columns)),)

    def sizes(self, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Rows and columns of both factors as they are multiplied."""
        return (
            left[-2:][:: -1 if self.transpose_a else 1],
            right[-2:][:: -1 if self.transpose_b else 1],
        )

    def macs(self, *operands: TensorType) -> int:
        """Each element of the result is a sum over the inner size."""
        (result,) = self.result_types(*operands)
        return result.size * self.sizes(operands[0].shape, operands[1].shape)[0][1]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        left, right = operands
        left = left.swapaxes(-1, -2) if self.transpose_a else left
        right = right.swapaxes(-1, -2) if self.transpose_b else right
        return (np.matmul(left, right),)


@operation
@dataclass(frozen=True)
class Attend(Op):
    """Scaled dot-product attention: for each token of q a mean of the tokens of v, weighted by softmax(q k / sqrt(d)).

    q is [..., tokens, heads * d], k [..., others, heads * d], v [..., others, heads * e]; the result is
    [..., tokens, heads * e]. With `causal`, a token attends to itself and earlier tokens. A fourth operand, booleans,
    says to which tokens it may: [others], for all tokens alike, or [tokens, others]; a token without any has zeros.
    """

    name = "attend"
    arity = (3, 4)
    heads: int = 1
    causal: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        q, k, v = operands[:3]
        at_least(1, "heads", self.heads)
        needs_float("attend", q, k, v)
        for position, operand in enumerate((q, k, v)):
            needs(2, operand, "attend", position)
            if operand.shape[-1] % self.heads:
                message = f"{operand.shape[-1]} channels do not divide into {self.heads} heads"
                raise RuleError(message, position, attribute="heads")
        if q.shape[-1] != k.shape[-1]:
            raise RuleError(f"queries of {q.shape[-1]} channels, keys of {k.shape[-1]}", 1, 0)
        if q.shape[:-2] != k.shape[:-2] or k.shape[:-1] != v.shape[:-1]:
            raise RuleError(f"`attend` of {q} to {k} with values {v}", 2, 1)
        if self.causal and q.shape[-2] != k.shape[-2]:
            raise RuleError(f"causal attention of {q.shape[-2]} tokens to {k.shape[-2]}", 1, 0, attribute="causal")
        if len(operands) == 4:
            _check_mask(q, k, operands[3])
        return (q.with_shape((*q.shape[:-1], v.shape[-1])),)

    def macs(self, *operands: TensorType) -> int:
        """Of both products, q with k and weights with v; includes products masked by `causal`, as profilers do."""
        q, k, v = operands[:3]
        return q.size * k.shape[-2] + v.size * q.shape[-2]

    def operations(self, types: Types, results: Types) -> int:
        return self._scores(types)

    def temporary_bytes(self, types: Types, results: Types) -> int:
        return 4 * self._scores(types)

    def _scores(self, types: Types) -> int:
        return 3 * self.heads * prod(types[0].shape[:-1]) * types[1].shape[-2]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        q, k, v = (self._by_head(x) for x in operands[:3])
        scores = np.matmul(q, k.swapaxes(-1, -2)) / np.asarray(sqrt(q.shape[-1]), q.dtype)
        if self.causal:
            scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, np.asarray(-np.inf, scores.dtype))
        if len(operands) == 4:
            return (self._merged(_masked_weights(scores, operands[3]), v),)
        (weights,) = Softmax(-1).evaluate(scores)
        return (self._merged(weights, v),)

    def _merged(self, weights: Array, v: Array) -> Array:
        """The weighted means of the values, heads side by side."""
        out = np.matmul(weights, v).swapaxes(-2, -3)
        return np.asarray(out.reshape(*out.shape[:-2], -1))

    def _by_head(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], self.heads, -1).swapaxes(-2, -3)


def _check_mask(q: TensorType, k: TensorType, mask: TensorType) -> None:
    tokens, others = q.shape[-2], k.shape[-2]
    if len(q.shape) != 2 or mask.dtype != "bool" or mask.shape not in ((others,), (tokens, others)):
        message = f"the mask of `attend` is bool[{others}] or bool[{tokens}, {others}], not {mask}"
        raise RuleError(message, 3, help="compare: `ids != 0` masks padding")


def _masked_weights(scores: Array, mask: Array) -> Array:
    """Softmax of scores [batch, heads, tokens, others] where the mask [batch, ..., others] is true."""
    allowed = np.broadcast_to(mask.reshape(len(mask), 1, -1, mask.shape[-1]), scores.shape)
    scores = np.where(allowed, scores, np.asarray(-np.inf, scores.dtype))
    largest = scores.max(-1, keepdims=True)
    powers = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    total = powers.sum(-1, keepdims=True)
    return np.asarray(powers / np.where(total > 0, total, 1))


@layer
def matmul(a: TensorType, b: TensorType, *, transpose_a: bool = False, transpose_b: bool = False) -> Layer:
    """Product of the matrices in the last two axes of `a` and `b`, optionally transposed."""
    return Layer(MatMul(transpose_a, transpose_b))


@layer
def attend(
    q: TensorType,
    k: TensorType,
    v: TensorType,
    heads: int = 1,
    *,
    causal: bool = False,
    mask: TensorType | None = None,
) -> Layer:
    """Multi-head attention of queries `q` to keys `k` with values `v`; `heads` divide the channels.

    With `causal`, to a token itself and earlier ones. `mask` says to which keys: bool[keys], such as `ids != 0` for
    padded texts, or bool[queries, keys].
    """
    no_maps("attend", q, k, v)
    return Layer(Attend(heads, causal))
