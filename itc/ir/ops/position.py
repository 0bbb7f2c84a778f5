"""Position embeddings of tokens: sinusoidal and rotary."""

from __future__ import annotations

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, layer, operation
from itc.ir.rules import at_least, needs, needs_float, no_maps
from itc.ir.types import TensorType
from itc.records import dataclass


def angles(positions: int, pairs: int, base: float) -> Array:
    """`position / base ** (pair / pairs)` as [positions, pairs], in float64 for exact angles at late positions."""
    return np.asarray(np.arange(positions)[:, None] / base ** (np.arange(pairs) / pairs))


def sinusoids(positions: int, channels: int, base: float = 10000.0) -> Array:
    """The table [positions, channels] of `Sinusoid`, in float64; an odd number of channels ends in a sine."""
    at = angles(positions, -(-channels // 2), base)
    return np.stack([np.sin(at), np.cos(at)], -1).reshape(positions, -1)[:, :channels]


@operation
@dataclass(frozen=True)
class Sinusoid(Op):
    """The table of Vaswani et al. 2017: sines of the position in even channels, cosines in odd ones, from channel 0.

    The result has the type of the operand, tokens of an even number of channels; only its shape is read.
    """

    name = "sinusoid"
    shape_only = frozenset({0})
    base: float = 10000.0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(2, x, "sinusoid")
        needs_float("sinusoid", x)
        at_least(1, "base", self.base)
        if x.shape[-1] % 2:
            raise RuleError(f"`sinusoid` needs an even number of channels, not {x.shape[-1]}", 0)
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        table = sinusoids(x.shape[-2], x.shape[-1], self.base)
        return (np.broadcast_to(table.astype(x.dtype), x.shape).copy(),)


@operation
@dataclass(frozen=True)
class Rope(Op):
    """Rotary embedding (Su et al. 2021): rotates the channel pairs i, i + d/2 of each head by the position's angle.

    Of tokens [..., tokens, heads * d]; positions count from 0, angles are position / base ** (2 i / d). With
    `interleaved`, pairs are the neighbours 2 i and 2 i + 1.
    """

    name = "rope"
    heads: int = 1
    base: float = 10000.0
    interleaved: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(2, x, "rope")
        needs_float("rope", x)
        at_least(1, "heads", self.heads)
        at_least(1, "base", self.base)
        if x.shape[-1] % (2 * self.heads):
            message = f"{x.shape[-1]} channels do not divide into {self.heads} heads of pairs"
            raise RuleError(message, 0, attribute="heads")
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        at = angles(x.shape[-2], x.shape[-1] // (2 * self.heads), self.base)[:, None]
        cosine, sine = np.cos(at).astype(x.dtype), np.sin(at).astype(x.dtype)
        by_head = x.reshape(*x.shape[:-1], self.heads, -1)
        first, second = (by_head[..., ::2], by_head[..., 1::2]) if self.interleaved else np.split(by_head, 2, -1)
        turned = first * cosine - second * sine, second * cosine + first * sine
        return ((np.stack(turned, -1) if self.interleaved else np.concatenate(turned, -1)).reshape(x.shape),)


@layer
def sinusoid(x: TensorType, *, base: float = 10000.0) -> Layer:
    """Sinusoidal position embedding of the shape of the tokens `x`."""
    no_maps("sinusoid", x)
    return Layer(Sinusoid(base))


@layer
def rope(x: TensorType, heads: int = 1, *, base: float = 10000.0, interleaved: bool = False) -> Layer:
    """Rotary position embedding of queries or keys with `heads` heads.

    Pairs of channels are half a head apart, as in GPT-NeoX, or with `interleaved` neighbours, as in GPT-J and Huginn.
    """
    no_maps("rope", x)
    return Layer(Rope(heads, base, interleaved))
