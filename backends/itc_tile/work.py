"""Cycles of a tile: a kernel and the regions that its shards compute go in, one number for each shard comes out.

The formulas are of the kind that the cycle estimators of Graphcore's poplibs use; every number in them is the
machine's. `n` elements divide among the `workers` of a tile, which take turns, so a tile needs `workers * ceil(n /
workers)` turns.

- Matrix unit: passes = taps x ceil(input channels / inputs) x ceil(output channels / outputs), each of which streams
  the F places of the map: call + passes x (F x inputs x outputs / rate + setup).
- Vector unit: call + turns x cycles of an instruction.
- A convolution runs on whichever is faster. Pointwise operations in a row are one pass over the data: loads and stores
  count once. What only moves (concatenation, nearest resize, fill) costs nothing where the exchange writes it in place:
  in front of everything that computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from itc.diagnostics import fail
from itc.ir.net import Apply
from itc.ir.op import Op
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.norm import BatchNorm
from itc.ir.ops.pointwise import Add, Affine, Dropout, Mul, Relu, Relu6, Sigmoid, Sub, Tanh
from itc.ir.ops.pool import AvgPool, GlobalPool, MaxPool, Pool
from itc.ir.ops.reduce import Softmax
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat, Fill
from itc.source import Span
from itc_tile.kernel import Kernel, data_values, is_copy_like
from itc_tile.machine import Compute, Machine

Ints = NDArray[np.int64]
Regions = Mapping[str, Ints]


def sizes(boxes: Ints) -> Ints:
    """Elements of each box."""
    return np.asarray(np.prod(np.maximum(boxes[..., 1] - boxes[..., 0], 0), axis=-1), np.int64)


def extent(boxes: Ints, axis: int) -> Ints:
    """Length of each box along an axis."""
    return np.asarray(np.maximum(boxes[..., axis, 1] - boxes[..., axis, 0], 0))


@dataclass(frozen=True)
class Shards:
    """One operation on all shards of a kernel: what it is, the regions of every value, and the units that run it."""

    apply: Apply
    regions: Regions
    units: Compute
    workers: int

    @property
    def result(self) -> Ints:
        return self.regions[self.apply.result.name]

    def operand(self, position: int) -> Ints:
        return self.regions[self.apply.values[position].name]

    def turns(self, elements: Ints) -> Ints:
        """Vector instructions that a tile issues for so many elements."""
        per_round = self.workers * self.units.vector.width
        return self.workers * -(-elements // per_round)

    def vector(self, elements: Ints, cycles: float) -> Ints:
        """A call on the vector unit, `cycles` an instruction."""
        return np.asarray(self.units.vector.call + np.ceil(self.turns(elements) * cycles).astype(np.int64))

    def product(self, places: Ints, taps: int, inputs: int, outputs: Ints, groups: Ints | int = 1) -> Ints:
        """Sums over `taps` x `inputs`, for `outputs` channels at `places` in each of `groups`."""
        each = taps * inputs * self.units.vector.multiply_add
        on_vector = self.vector(places * outputs * groups, np.ceil(each))
        unit = self.units.matrix
        if unit is None:
            return on_vector
        passes = groups * taps * -(-inputs // unit.inputs) * -(-outputs // unit.outputs)
        stream = -(-places * unit.inputs * unit.outputs // unit.rate)
        return np.asarray(np.minimum(on_vector, unit.call + passes * (stream + unit.setup)))


Rule = Callable[[Shards], Ints]


def _conv(shards: Shards) -> Ints:
    op, weight = shards.apply.op, shards.apply.values[1].tensor
    assert isinstance(op, Conv)
    places = extent(shards.result, 1) * extent(shards.result, 2)
    taps, per_group = weight.shape[2] * weight.shape[3], weight.shape[0] // op.groups
    channels = shards.result[..., 0, :]
    groups = np.maximum(-(-channels[..., 1] // per_group) - channels[..., 0] // per_group, 0)
    outputs = np.minimum(extent(shards.result, 0), per_group)
    return shards.product(places, taps, weight.shape[1], outputs, groups)


def _linear(shards: Shards) -> Ints:
    outputs = extent(shards.result, -1)
    places = sizes(shards.result) // np.maximum(outputs, 1)
    return shards.product(places, 1, shards.apply.values[1].tensor.shape[1], outputs)


def _pool(shards: Shards) -> Ints:
    op, unit = shards.apply.op, shards.units.vector
    assert isinstance(op, Pool)
    elements = shards.vector(sizes(shards.result), unit.window * op.kernel[0] * op.kernel[1])
    return elements + unit.row * extent(shards.result, -2)


def _reduce(shards: Shards) -> Ints:
    """A sum over the whole map, an instruction for each vector read; then a division each."""
    unit = shards.units.vector
    reading = shards.vector(sizes(shards.operand(0)), 1 + unit.access / 2)
    return np.asarray(
        reading + np.ceil(shards.turns(sizes(shards.result)) * (unit.special + unit.access)).astype(np.int64)
    )


def _softmax(shards: Shards) -> Ints:
    """Passes for the maximum, the exponential with its sum, and the division."""
    unit = shards.units.vector
    return shards.vector(sizes(shards.result), 3 * unit.access + 2 + unit.special)


def _resize(shards: Shards) -> Ints:
    """Nearest: a copy. Bilinear: four products an element."""
    op, unit = shards.apply.op, shards.units.vector
    assert isinstance(op, Resize)
    cycles = unit.access if op.mode == "nearest" else 4 * unit.multiply_add + unit.access
    return shards.vector(sizes(shards.result), cycles)


def _move(shards: Shards) -> Ints:
    return shards.vector(sizes(shards.result), shards.units.vector.access)


WORK: dict[type[Op], Rule] = {
    Conv: _conv,
    Linear: _linear,
    MaxPool: _pool,
    AvgPool: _pool,
    GlobalPool: _reduce,
    Softmax: _softmax,
    Resize: _resize,
    Concat: _move,
    Fill: _move,
}

# Instructions an element vector takes beside loading and storing; `special` ones take the machine's time for those.
# A norm's statistics are folded into its scale and shift when parameters are loaded. Dropout does nothing at inference;
# a kernel of nothing else copies.
INSTRUCTIONS: dict[type[Op], int] = {
    Relu: 1,
    Relu6: 2,
    Add: 1,
    Sub: 1,
    Mul: 1,
    Affine: 2,
    BatchNorm: 2,
    Dropout: 0,
}
SPECIAL: frozenset[type[Op]] = frozenset({Sigmoid, Tanh})


def kernel_cycles(kernel: Kernel, regions: Regions, machine: Machine) -> Ints:
    """Cycles in which each shard's tile computes. `regions` has a box [..., rank, 2] of every value of the body.

    A shard that makes nothing takes no time.
    """
    units = compute_units(machine, kernel.result.tensor.dtype)
    total = np.zeros(regions[kernel.result.name].shape[:-2], np.int64)
    in_place = in_place_values(kernel)
    before: Apply | None = None
    for apply in kernel.body:
        shards = Shards(apply, regions, units, machine.tile.workers)
        if apply.result.name in in_place:
            continue
        if apply.op.pointwise:
            total += _pointwise(shards, before)
        else:
            total += WORK[type(apply.op)](shards)
        before = apply
    if before is not None and all(type(apply.op) is Dropout for apply in kernel.body):
        total += _move(Shards(before, regions, units, machine.tile.workers))
    return np.where(sizes(regions[kernel.result.name]) > 0, total, 0)


def _pointwise(shards: Shards, before: Apply | None) -> Ints:
    """An operation on single elements; where it takes over from another one it starts no pass of its own."""
    op, unit = shards.apply.op, shards.units.vector
    cycles = unit.special if type(op) in SPECIAL else float(INSTRUCTIONS[type(op)])
    if not cycles:
        return np.zeros(shards.result.shape[:-2], np.int64)
    fused = before is not None and before.op.pointwise and before.result in shards.apply.values
    if fused:
        return np.asarray(np.ceil(shards.turns(sizes(shards.result)) * cycles).astype(np.int64))
    return shards.vector(sizes(shards.result), cycles + unit.access)


def in_place_values(kernel: Kernel) -> frozenset[str]:
    """Results of copying operations that the exchange writes where they are read: before them is nothing else."""
    moved = {value.name for value in kernel.inputs}
    written: set[str] = set()
    for apply in kernel.body:
        if is_copy_like(apply.op) and all(value.name in moved for value in data_values(apply)):
            moved.add(apply.result.name)
            written.add(apply.result.name)
    return frozenset(written)


def compute_units(machine: Machine, dtype: str, span: Span | None = None) -> Compute:
    """The units for elements of `dtype`. Raises CompileError (E0513) where the machine has none."""
    for name, units in machine.compute.items():
        if name == dtype:
            return units
    help = f"its file describes units for {', '.join(machine.compute)}"
    raise fail("E0513", f"{machine.name} has no unit for {dtype}", span, help=help)


def work_rules() -> frozenset[type[Op]]:
    """Operations that have a formula."""
    return frozenset(WORK) | frozenset(INSTRUCTIONS) | SPECIAL
