"""Layers as convolutions: the shapes of a forward pass, of its two gradients, and of a product of matrices."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

Role = Literal["forward", "input gradient", "weight gradient", "product"]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """A convolution: `inputs` and `outputs` are channels of a group, pairs are rows and columns.

    `dilation` is that of the kernel, `spread` that of the input: a strided convolution's gradient spreads its input.
    `source` is the input's size without padding; (0, 0) where the input has no other elements than the result.
    """

    role: Role
    groups: int
    batch: int
    inputs: int
    outputs: int
    result: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    spread: Pair = (1, 1)
    source: Pair = (0, 0)

    @property
    def result_elements(self) -> int:
        return self.groups * self.batch * self.outputs * prod(self.result)

    @property
    def weight_elements(self) -> int:
        return self.groups * self.inputs * self.outputs * prod(self.kernel)

    @property
    def input_elements(self) -> int:
        places = prod(self.source) if any(self.source) else prod(self.result)
        return self.groups * self.batch * self.inputs * places

    @property
    def read_elements(self) -> int:
        """Elements of the input that some window reads, at most."""
        if not any(self.source):
            return self.input_elements
        sizes = zip(self.source, self.result, self.kernel, strict=True)
        return self.groups * self.batch * self.inputs * prod(min(size, out * taps) for size, out, taps in sizes)


@dataclass(frozen=True)
class Convolution:
    """A convolution as a network has it; `below` and `above` are the padding before and behind each axis."""

    batch: int
    groups: int
    inputs: int
    outputs: int
    field: Pair
    kernel: Pair
    stride: Pair
    below: Pair
    above: Pair

    @property
    def result(self) -> Pair:
        """Size of the output."""
        rows, columns = (
            (size + low + high - kernel) // stride + 1
            for size, low, high, kernel, stride in zip(
                self.field, self.below, self.above, self.kernel, self.stride, strict=True
            )
        )
        return rows, columns

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the forward pass, without those on padding."""
        return self.batch * self.groups * self.inputs * self.outputs * prod(self._taps(axis) for axis in (0, 1))

    def _taps(self, axis: int) -> int:
        """Pairs of an output position and a kernel position that meet an element of the input."""
        starts = np.arange(self.result[axis]) * self.stride[axis] - self.below[axis]
        ends = np.minimum(starts + self.kernel[axis], self.field[axis])
        return int(np.maximum(0, ends - np.maximum(starts, 0)).sum())


def forward(layer: Convolution) -> Layer:
    """The forward pass."""
    return Layer(
        "forward",
        layer.groups,
        layer.batch,
        layer.inputs,
        layer.outputs,
        layer.result,
        layer.kernel,
        stride=layer.stride,
        source=layer.field,
    )


def input_gradient(layer: Convolution) -> Layer:
    """The gradient of the input: channels swapped, the kernel flipped, the output's gradient spread by the stride."""
    return Layer(
        "input gradient",
        layer.groups,
        layer.batch,
        layer.outputs,
        layer.inputs,
        layer.field,
        layer.kernel,
        spread=layer.stride,
        source=layer.result,
    )


def weight_gradient(layer: Convolution) -> Layer:
    """The gradient of the weights: images are summed as input channels are, the output's gradient is the kernel."""
    return Layer(
        "weight gradient",
        layer.groups,
        layer.inputs,
        layer.batch,
        layer.outputs,
        layer.kernel,
        layer.result,
        dilation=layer.stride,
        source=layer.field,
    )


def training_step(layer: Convolution) -> tuple[Layer, Layer, Layer]:
    """The forward pass and both gradients."""
    return forward(layer), input_gradient(layer), weight_gradient(layer)


def matrix_product(rows: int, inner: int, columns: int) -> Layer:
    """A product of matrices [rows, inner] and [inner, columns]."""
    return Layer("product", 1, 1, inner, columns, (1, rows), (1, 1))
