"""What the fullest tile has of a layer under each split: channels in grains, positions, elements of operands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from itc_tile.layers.layer import Layer
from itc_tile.layers.splits import AXES, Grains, Splits
from itc_tile.layers.vertices import Ints


@dataclass(frozen=True)
class Share:
    """The fullest tile's part of a layer, for each of many splits."""

    layer: Layer
    grains: Grains
    serial: tuple[int, int]
    splits: Splits

    @property
    def parts(self) -> int:
        """Serial parts."""
        return self.serial[0] * self.serial[1]

    def only(self, keep: NDArray[np.bool_]) -> Share:
        """The share under some of the splits."""
        kept = {axis: getattr(self.splits, axis)[keep] for axis in AXES}
        return replace(self, splits=Splits(**kept))

    @cached_property
    def groups(self) -> Ints:
        """Grains of groups."""
        return _part(-(-self.layer.groups // self.grains.groups), self.splits.groups)

    @cached_property
    def batch(self) -> Ints:
        return _part(self.layer.batch, self.splits.batch)

    @cached_property
    def outputs(self) -> Ints:
        """Grains of output channels."""
        channels = -(-self.layer.outputs // self.serial[0])
        return _part(-(-channels // self.grains.outputs), self.splits.outputs)

    @cached_property
    def inputs(self) -> Ints:
        """Grains of input channels."""
        channels = -(-self.layer.inputs // self.serial[1])
        return _part(-(-channels // self.grains.inputs), self.splits.inputs)

    @cached_property
    def rows(self) -> Ints:
        return _part(self.layer.result[0], self.splits.rows)

    @cached_property
    def columns(self) -> Ints:
        return _part(self.layer.result[1], self.splits.columns)

    @cached_property
    def taps(self) -> Ints:
        """Rows of the kernel."""
        return _part(self.layer.kernel[0], self.splits.taps)

    @cached_property
    def source(self) -> tuple[Ints, Ints]:
        """Rows and columns of the input."""
        return (
            source_size(self.layer, 0, self.rows, self.taps),
            source_size(self.layer, 1, self.columns, np.asarray(self.layer.kernel[1])),
        )

    @cached_property
    def input_elements(self) -> Ints:
        return self.source[0] * self.source[1] * self.batch * self.inputs * self.grains.inputs * self._groups

    @cached_property
    def weight_elements(self) -> Ints:
        channels = self.inputs * self.grains.inputs * self.outputs * self.grains.outputs
        return self.taps * self.layer.kernel[1] * channels * self._groups

    @cached_property
    def partials(self) -> Ints:
        return self.rows * self.columns * self.batch * self.outputs * self.grains.outputs * self._groups

    @property
    def _groups(self) -> Ints:
        return self.groups * self.grains.groups


def source_size(layer: Layer, axis: int, result: Ints, taps: Ints) -> Ints:
    """Elements of the input on an axis that `result` elements and `taps` positions of the kernel read."""
    whole = layer.source[axis]
    if not whole:
        return result
    span = (result - 1) * layer.stride[axis] + (taps - 1) * layer.dilation[axis]
    read = np.minimum(span // layer.spread[axis] + 1, whole)
    return np.where((result == layer.result[axis]) & (taps == layer.kernel[axis]), whole, read)


def _part(size: int, parts: Ints) -> Ints:
    """The largest of equal parts."""
    return -(-size // parts)
