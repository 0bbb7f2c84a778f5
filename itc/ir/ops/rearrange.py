"""Changes of shape and element order: reshape, transpose, broadcast, channel and pixel shuffle."""

from __future__ import annotations

from math import prod

import numpy as np

from itc.ir.op import Array, Layer, Op, RuleError, layer, operation
from itc.ir.rules import at_least, needs
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class Reshape(Op):
    """The elements of each sample in the same order in another shape; a size of -1 is inferred."""

    name = "reshape"
    shape: tuple[int, ...] = ()

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        known = prod(size for size in self.shape if size != -1)
        free = self.shape.count(-1)
        if free > 1 or any(size < 1 and size != -1 for size in self.shape):
            help = "give positive sizes, of which one may be -1"
            raise RuleError(f"{list(self.shape)} is not a shape", attribute="shape", help=help)
        if x.size % known if free else x.size != known:
            raise RuleError(f"{x} has {x.size} elements, which do not fit {list(self.shape)}", 0, attribute="shape")
        return (x.with_shape(tuple(x.size // known if size == -1 else size for size in self.shape)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].reshape(len(operands[0]), *self.shape),)


@operation
@dataclass(frozen=True)
class Transpose(Op):
    """The axes of each sample in another order: axis i of the result is axis `axes[i]` of the operand."""

    name = "transpose"
    axes: tuple[int, ...] = (1, 0)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        if sorted(self.axes) != list(range(len(x.shape))):
            help = f"give each axis from 0 to {len(x.shape) - 1} once"
            raise RuleError(
                f"{list(self.axes)} is not a permutation of the axes of {x}", 0, attribute="axes", help=help
            )
        return (x.with_shape(tuple(x.shape[axis] for axis in self.axes)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].transpose(0, *(1 + axis for axis in self.axes)),)


def broadcast_shape(x: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of `x` with axes of size 1 added up to the rank of `like`: after a vector's channels, else in front."""
    if len(x) == 1 and len(like) >= 3:
        return (*(1,) * (len(like) - 3), *x, 1, 1)
    return (*(1,) * (len(like) - len(x)), *x)


@operation
@dataclass(frozen=True)
class Broadcast(Op):
    """`x` broadcast to the shape of the second operand; only the shape of that operand is read.

    The channels of a vector become those of a map, equal at all pixels. Otherwise axes are matched from the last one,
    as in NumPy; axes that `x` lacks, or has with size 1, are repeated.
    """

    name = "broadcast"
    arity = (2, 2)
    shape_only = frozenset({1})

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, like = operands
        stretched = broadcast_shape(x.shape, like.shape)
        if len(stretched) != len(like.shape) or any(
            size not in (1, target) for size, target in zip(stretched, like.shape, strict=True)
        ):
            raise RuleError(f"{x} cannot be broadcast to the shape of {like}", 0, 1)
        return (x.with_shape(like.shape),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, like = operands
        stretched = x.reshape(len(x), *broadcast_shape(x.shape[1:], like.shape[1:]))
        return (np.broadcast_to(stretched, (len(x), *like.shape[1:])).copy(),)


@operation
@dataclass(frozen=True)
class ChannelShuffle(Op):
    """The channels of a map interleaved: channels of one of the `groups` are `groups` apart in the result."""

    name = "channel_shuffle"
    groups: int = 1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(3, x, "channel_shuffle")
        at_least(1, "groups", self.groups)
        if x.channels % self.groups:
            raise RuleError(f"{x.channels} channels do not divide into {self.groups} groups", 0, attribute="groups")
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        shuffled = x.reshape(*x.shape[:-3], self.groups, -1, *x.shape[-2:]).swapaxes(-4, -3)
        return (shuffled.reshape(x.shape),)


@operation
@dataclass(frozen=True)
class PixelShuffle(Op):
    """Channels moved to pixels: a map of `factor` times the height and width, of factor^2 times fewer channels.

    As in PyTorch, channel c * factor^2 + i * factor + j becomes row i and column j of each block of channel c.
    """

    name = "pixel_shuffle"
    factor: int = 2

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        needs(3, x, "pixel_shuffle")
        at_least(1, "factor", self.factor)
        if x.channels % self.factor**2:
            message = f"{x.channels} channels do not divide into blocks of {self.factor} x {self.factor} pixels"
            raise RuleError(message, 0, attribute="factor")
        channels, height, width = x.shape[-3:]
        shape = (channels // self.factor**2, height * self.factor, width * self.factor)
        return (x.with_shape((*x.shape[:-3], *shape)),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, r = operands[0], self.factor
        *leading, channels, height, width = x.shape
        blocks = x.reshape(-1, r, r, height, width).transpose(0, 3, 1, 4, 2)
        return (blocks.reshape(*leading, channels // r**2, height * r, width * r),)


@layer
def reshape(x: TensorType, shape: tuple[int, ...]) -> Layer:
    """The same elements in another shape; a size of -1 is inferred."""
    return Layer(Reshape(shape))


@layer
def transpose(x: TensorType, axes: tuple[int, ...] | None = None) -> Layer:
    """The axes in the order `axes`; swaps the last two by default."""
    needs(2, x, "transpose")
    rank = len(x.shape)
    given = axes if axes is not None else (*range(rank - 2), rank - 1, rank - 2)
    return Layer(Transpose(tuple(axis + rank if axis < 0 else axis for axis in given)))


@layer
def broadcast(x: TensorType, *, like: TensorType) -> Layer:
    """`x` broadcast to the shape of `like`; the channels of a vector become those of a map."""
    return Layer(Broadcast())


@layer
def channel_shuffle(x: TensorType, groups: int) -> Layer:
    """Interleaves the channels of `groups` groups, as between grouped convolutions."""
    return Layer(ChannelShuffle(groups))


@layer
def pixel_shuffle(x: TensorType, factor: int) -> Layer:
    """Channels moved to pixels: `factor` times the height and width, of `factor` squared times fewer channels."""
    return Layer(PixelShuffle(factor))
