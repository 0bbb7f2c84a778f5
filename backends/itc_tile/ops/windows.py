"""Windows along one axis: for operations that may skip positions of an operand, what each position reads of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from itc.ir.op import Op
from itc.ir.ops.conv import Conv
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.part import Slice
from itc.ir.ops.pool import AvgPool, MaxPool, Pool
from itc.ir.ops.position import Rope
from itc.ir.ops.rearrange import ChannelShuffle
from itc.ir.ops.resize import Resize
from itc.ir.ops.unpool import PoolIndices
from itc.ir.rules import axis_of
from itc.ir.types import TensorType
from itc_tile.ops.access import resize_sources
from itc_tile.tiling.sets import Intervals, Ints, Sets, joined

Types = Sequence[TensorType]
Taps = Callable[[Ints], Iterator[tuple[Ints, Ints]]]


@dataclass(frozen=True)
class Windows:
    """Each position of a result reads the intervals `taps` of an axis of `size`, some of which may leave it.

    `taps` gives, a tap at a time, the first positions and those behind the last, for positions of the result. With
    `dense` an interval of the result reads an interval, as the access rules give it.
    """

    size: int
    taps: Taps
    dense: bool

    def read(self, result: Sets) -> Sets:
        """What sets of positions of the result read."""
        own, numbers = result.distinct()
        owners, positions = own.listed()

        def intervals() -> Iterator[Intervals]:
            return ((owners, first, end) for first, end in self.taps(positions))

        found = joined(len(own.bounds), self.size, intervals)
        return Sets(found.bounds[numbers], found.table)


def windows(op: Op, types: Types) -> dict[int, Windows]:
    """By axis, what an operation's result reads of its first operand along the same axis, where that has windows."""
    rule = _WINDOWS.get(type(op))
    return rule(op, types) if rule else {}


def _planes(types: Types, axes: Sequence[Windows]) -> dict[int, Windows]:
    rank = len(types[0].shape)
    return {rank - 2: axes[0], rank - 1: axes[1]}


def _conv(op: Conv, types: Types) -> dict[int, Windows]:
    numbers = zip(types[0].shape[-2:], types[1].shape[2:], op.stride, op.pad, op.dilation, strict=True)
    return _planes(types, [_strided(*each) for each in numbers])


def _pool(op: Pool, types: Types) -> dict[int, Windows]:
    numbers = zip(types[0].shape[-2:], op.kernel, op.stride, op.pad, strict=True)
    return _planes(types, [_strided(*each, 1) for each in numbers])


def _strided(size: int, kernel: int, stride: int, pad: int, dilation: int) -> Windows:
    def taps(positions: Ints) -> Iterator[tuple[Ints, Ints]]:
        first = positions * stride - pad
        if dilation == 1:
            yield first, first + kernel
            return
        for tap in range(kernel):
            yield first + tap * dilation, first + tap * dilation + 1

    return Windows(size, taps, kernel == 1 == stride or (dilation == 1 and stride <= kernel))


def _conv_transpose(op: ConvTranspose, types: Types) -> dict[int, Windows]:
    numbers = zip(types[0].shape[-2:], types[1].shape[2:], op.stride, op.pad, op.dilation, strict=True)
    return _planes(types, [_spread(*each) for each in numbers])


def _spread(size: int, kernel: int, stride: int, pad: int, dilation: int) -> Windows:
    """A position is made of those whose kernels reach it: `stride` apart, so that not every tap is one's."""

    def taps(positions: Ints) -> Iterator[tuple[Ints, Ints]]:
        at = positions + pad
        if dilation == 1:
            yield -(-(at - kernel + 1) // stride), at // stride + 1
            return
        for tap in range(kernel):
            source, rest = np.divmod(at - tap * dilation, stride)
            yield source, source + (rest == 0)

    return Windows(size, taps, dilation == 1 or kernel == 1)


def _resize(op: Resize, types: Types) -> dict[int, Windows]:
    targets = op.sizes(*(type.shape for type in types))
    return _planes(types, [_between(op, *sizes) for sizes in zip(types[0].shape[-2:], targets, strict=True)])


def _between(op: Resize, size: int, target: int) -> Windows:
    low, high = resize_sources(op, size, target)
    dense = bool((low[1:] <= high[:-1] + 1).all())
    return Windows(size, lambda positions: iter([(low[positions], high[positions] + 1)]), dense)


def _slice(op: Slice, types: Types) -> dict[int, Windows]:
    axis = axis_of(types[0], op.axis)
    places = op.positions(types[0].shape[axis])
    source = partial(_single, lambda positions: places.start + positions * places.step)
    return {axis: Windows(types[0].shape[axis], source, places.step == 1)}


def _channel_shuffle(op: ChannelShuffle, types: Types) -> dict[int, Windows]:
    channels, each = types[0].channels, types[0].channels // op.groups
    source = partial(_single, lambda positions: positions % op.groups * each + positions // op.groups)
    return {types[0].channel_axis % len(types[0].shape): Windows(channels, source, False)}


def _single(source: Callable[[Ints], Ints], positions: Ints) -> Iterator[tuple[Ints, Ints]]:
    """One position of the operand for each of the result."""
    first = source(positions)
    yield first, first + 1


def _rope(op: Rope, types: Types) -> dict[int, Windows]:
    """Both channels of a pair, half a head apart."""
    head = types[0].shape[-1] // op.heads

    def taps(positions: Ints) -> Iterator[tuple[Ints, Ints]]:
        start, within = positions // head * head, positions % head
        yield positions, positions + 1
        yield start + (within + head // 2) % head, start + (within + head // 2) % head + 1

    return {len(types[0].shape) - 1: Windows(types[0].shape[-1], taps, False)}


_WINDOWS: dict[type[Op], Callable[[Any, Types], dict[int, Windows]]] = {
    **dict.fromkeys((AvgPool, MaxPool, PoolIndices), _pool),
    ChannelShuffle: _channel_shuffle,
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    Resize: _resize,
    Rope: _rope,
    Slice: _slice,
}
