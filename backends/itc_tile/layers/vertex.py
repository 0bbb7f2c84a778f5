"""The vertices that may compute a form of a layer, and their cycles on the fullest tile of each split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from itc_tile.layers.layer import Layer
from itc_tile.layers.narrow_vertices import WINDOW, slic, vmac
from itc_tile.layers.share import Share
from itc_tile.layers.splits import Grains
from itc_tile.layers.vertices import OPERAND_BYTES, Groups, Ints, VertexUnits, amp_1x1, amp_nx1
from itc_tile.machine.model import Machine
from itc_tile.machine.supersteps import Precision, Supersteps

#: Beyond so many input channels, groups of fewer than fill the units never pay.
MOST_NARROW = 64


@dataclass(frozen=True)
class Vertex:
    """A kind of vertex with the channels that it takes at once, at one precision of sums."""

    kind: Literal["amp", "slic", "vmac"]
    grains: Grains
    sums: Precision = "f16 into f32"

    @property
    def sum_bytes(self) -> int:
        return 4 if self.sums == "f16 into f32" else OPERAND_BYTES

    def height(self, supersteps: Supersteps) -> int:
        """Rows of the kernel that share the weights of a unit."""
        return supersteps.convolution[self.sums].weights // self.grains.inputs if self.kind == "amp" else 1

    def macs_per_cycle(self, supersteps: Supersteps) -> int:
        """Multiply-accumulates of a tile in a cycle at most."""
        units = supersteps.convolution[self.sums]
        if self.kind == "amp":
            return min(units.units, self.grains.outputs) * units.weights // WINDOW
        return 2 * WINDOW * min(WINDOW, self.grains.inputs) * self.grains.groups if self.kind == "slic" else WINDOW


def vertices(layer: Layer, supersteps: Supersteps) -> Iterator[Vertex]:
    """The vertices that can compute a layer with sums in float32, or with none to be added across tiles."""
    full = supersteps.convolution["f16 into f32"].weights
    narrow = layer.inputs % full != 0 and layer.inputs < MOST_NARROW
    for inputs in (full, full // 2, full // 4) if narrow else (full,):
        for outputs in sorted({supersteps.convolution["f16 into f32"].units, full}):
            yield Vertex("amp", Grains(inputs, outputs))
    half = supersteps.convolution.get("f16 into f16")
    if half and layer.kernel == (1, 1) and layer.inputs == full:
        for outputs in sorted({half.units, full}):
            yield Vertex("amp", Grains(full, outputs), "f16 into f16")
    yield from _narrow(layer)


def _narrow(layer: Layer) -> Iterator[Vertex]:
    """Vertices for few channels in a group."""
    plain = max(layer.dilation) == max(layer.spread) == 1 and layer.stride[1] <= 2
    for groups, channels in ((1, 4), (2, 2), (4, 1)):
        if plain and layer.inputs <= channels and layer.outputs <= channels:
            yield Vertex("slic", Grains(channels, channels, groups))
    if layer.outputs == 1:
        yield Vertex("vmac", Grains(1, 1, 4))


def compute_cycles(share: Share, vertex: Vertex, machine: Machine) -> Ints:
    """Cycles of the vertex on the fullest tile."""
    workers, kernel = machine.tile.workers, (share.taps, share.layer.kernel[1])
    if vertex.kind == "slic":
        stride = share.layer.stride[1]
        rows, channels = share.rows * share.batch, vertex.grains.inputs
        return slic(rows, share.columns, kernel, share.groups, channels, stride, workers)
    if vertex.kind == "vmac":
        return vmac(share.rows * share.columns * share.batch, kernel, share.inputs, share.groups, workers)
    return _amp_cycles(share, vertex, machine)


def _amp_cycles(share: Share, vertex: Vertex, machine: Machine) -> Ints:
    assert machine.supersteps is not None
    layer, supersteps = share.layer, machine.supersteps
    units = VertexUnits(supersteps.convolution[vertex.sums], machine.tile.workers, vertex.sum_bytes == 4)
    groups = Groups(share.inputs, share.outputs, share.groups, vertex.grains.outputs)
    rows, columns = -(-share.rows // layer.spread[0]), -(-share.columns // layer.spread[1])
    height = vertex.height(supersteps)
    cycles = amp_nx1(rows * share.batch, columns, (share.taps, layer.kernel[1]), groups, units, height)
    if height == 1 and layer.stride == layer.spread:
        single = (share.rows * share.batch * share.taps == 1) & (layer.kernel[1] == 1)
        cycles = np.where(single, amp_1x1(share.columns, groups, units), cycles)
    return cycles


def padding_elements(share: Share, vertex: Vertex, supersteps: Supersteps) -> tuple[Ints, Ints]:
    """Zeros of the inputs and of the weights that a vertex needs beside the operands."""
    layer, height = share.layer, vertex.height(supersteps)
    weights = share.inputs * vertex.grains.inputs * share.outputs * vertex.grains.outputs
    weights = weights * share.groups * vertex.grains.groups
    fields = share.batch * share.inputs * vertex.grains.inputs * share.groups * vertex.grains.groups
    if vertex.kind == "slic":
        more = -layer.kernel[1] % WINDOW
        rows, columns = share.source
        border = np.maximum((rows + 2) * (columns + more + 2) - rows * columns, 0)
        return border * fields, more * share.taps * weights
    if height == 1:
        return np.zeros_like(fields), np.zeros_like(fields)
    parts, size = share.splits.taps, layer.kernel[0]
    more_rows = (height - np.maximum(size // parts % height, -(-size // parts) % height)) % height
    inputs = more_rows * layer.dilation[0] * share.columns * fields
    return inputs, more_rows * layer.kernel[1] * weights
