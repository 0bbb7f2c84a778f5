"""Cycles of a tile: a kernel and the regions that its shards compute go in, one number for each shard comes out.

The formulas are of the kind that the cycle estimators of Graphcore's poplibs use; every number in them is the
machine's. `n` elements divide among the `workers` of a tile, which take turns, so a tile needs `workers * ceil(n /
workers)` turns.

- Matrix unit: passes = taps x ceil(input channels / inputs) x ceil(output channels / outputs), each of which streams
  the F places of the map: call + passes x (F x inputs x outputs / rate + setup).
- Vector unit: call + turns x cycles of an instruction.
- Memory ports: no run takes less than its reads and its writes do, see `itc_tile.cost.ports`.
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
from itc.ir.ops.activation import Abs, Exp, Gelu, Log, Prelu, Silu, Sqrt
from itc.ir.ops.cast import Cast
from itc.ir.ops.conv import Conv, Convolution, Linear
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.matmul import Attend, MatMul
from itc.ir.ops.norm import BatchNorm, GroupNorm, LayerNorm, RmsNorm, ScaleShift
from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.pointwise import (
    Add,
    Affine,
    Detach,
    Div,
    Dropout,
    Maximum,
    Minimum,
    Mul,
    Relu,
    Relu6,
    Sigmoid,
    Sub,
    Tanh,
)  # fmt: skip
from itc.ir.ops.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool, Pool
from itc.ir.ops.position import Rope, Sinusoid
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, Reshape, Transpose
from itc.ir.ops.reduce import ArgMax, Change, ReduceMax, ReduceMean, ReduceSum, Softmax
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat, Fill, Stack
from itc.ir.ops.table import Embed, Parameter
from itc.ir.ops.unpool import MaxUnpool, PoolIndices
from itc.ir.uses import data_operands
from itc.source import Span
from itc_tile.cost.ports import held_elements, port_cycles
from itc_tile.kernels.kernel import Kernel, is_copy_like
from itc_tile.machine.model import Compute, Machine
from itc_tile.tiling.boxes import volume

Ints = NDArray[np.int64]
Regions = Mapping[str, Ints]


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
    weight = shards.apply.values[1].tensor.shape
    return _convolution(shards, weight[2] * weight[3], weight[1], weight[0])


def _conv_transpose(shards: Shards) -> Ints:
    """A place of the result has but every `stride`-th tap of the kernel."""
    op, weight = shards.apply.op, shards.apply.values[1].tensor.shape
    assert isinstance(op, ConvTranspose)
    taps = -(-weight[2] // op.stride[0]) * -(-weight[3] // op.stride[1])
    return _convolution(shards, taps, weight[0] // op.groups, weight[1] * op.groups)


def _convolution(shards: Shards, taps: int, inputs: int, channels: int) -> Ints:
    """Sums over `taps` x `inputs`, for `channels` in all groups of the whole result."""
    op, made = shards.apply.op, shards.result[..., -3, :]
    assert isinstance(op, Convolution)
    places = volume(np.delete(shards.result, -3, axis=-2))
    per_group = channels // op.groups
    groups = np.maximum(-(-made[..., 1] // per_group) - made[..., 0] // per_group, 0)
    return shards.product(places, taps, inputs, np.minimum(extent(shards.result, -3), per_group), groups)


def _linear(shards: Shards) -> Ints:
    outputs = extent(shards.result, -1)
    places = volume(shards.result) // np.maximum(outputs, 1)
    return shards.product(places, 1, shards.apply.values[1].tensor.shape[1], outputs)


def _pool(shards: Shards) -> Ints:
    op, unit = shards.apply.op, shards.units.vector
    assert isinstance(op, Pool)
    elements = shards.vector(volume(shards.result), unit.window * op.kernel[0] * op.kernel[1])
    return elements + unit.row * extent(shards.result, -2)


def _reduce(shards: Shards) -> Ints:
    """A sum over the whole map, an instruction for each vector read; then a division each."""
    unit = shards.units.vector
    reading = shards.vector(volume(shards.operand(0)), 1 + unit.access / 2)
    return np.asarray(
        reading + np.ceil(shards.turns(volume(shards.result)) * (unit.special + unit.access)).astype(np.int64)
    )


def _softmax(shards: Shards) -> Ints:
    """Passes for the maximum, the exponential with its sum, and the division."""
    unit = shards.units.vector
    return shards.vector(volume(shards.result), 3 * unit.access + 2 + unit.special)


def _resize(shards: Shards) -> Ints:
    """Nearest: a copy. Bilinear: four products an element."""
    op, unit = shards.apply.op, shards.units.vector
    assert isinstance(op, Resize)
    cycles = unit.access if op.mode == "nearest" else 4 * unit.multiply_add + unit.access
    return shards.vector(volume(shards.result), cycles)


def _move(shards: Shards) -> Ints:
    return shards.vector(volume(shards.result), shards.units.vector.access)


def _matmul(shards: Shards) -> Ints:
    columns = extent(shards.result, -1)
    places = volume(shards.result) // np.maximum(columns, 1)
    op, (left, right) = shards.apply.op, shards.apply.values
    assert isinstance(op, MatMul)
    return shards.product(places, 1, op.sizes(left.tensor.shape, right.tensor.shape)[0][1], columns)


def _attend(shards: Shards) -> Ints:
    """For each head the products of queries with keys and of weights with values, and a softmax between."""
    op, (q, k, v) = shards.apply.op, shards.apply.values
    assert isinstance(op, Attend)
    unit, others = shards.units.vector, k.tensor.shape[-2]
    heads = extent(shards.operand(0), -1) // (q.tensor.shape[-1] // op.heads)
    rows = volume(shards.result) // np.maximum(extent(shards.result, -1), 1)
    width = np.minimum(extent(shards.result, -1), v.tensor.shape[-1] // op.heads)
    scores = shards.product(rows, 1, q.tensor.shape[-1] // op.heads, np.full_like(rows, others), heads)
    weights = shards.vector(rows * heads * others, 3 * unit.access + 2 + unit.special)
    return scores + weights + shards.product(rows, 1, others, width, heads)


def _norm(shards: Shards) -> Ints:
    """A pass over what is read for mean and variance, and one to scale and shift what is made."""
    unit = shards.units.vector
    scaling = np.ceil(shards.turns(volume(shards.result)) * (2 + unit.access)).astype(np.int64)
    return np.asarray(scaling + shards.vector(volume(shards.operand(0)), 2 + unit.access / 2), np.int64)


def _rope(shards: Shards) -> Ints:
    """Two products and a sum an element, with tables that are there."""
    return shards.vector(volume(shards.result), 3 + 2 * shards.units.vector.access)


def _roi_align(shards: Shards) -> Ints:
    """Four products for each of the samples of an element."""
    op, unit = shards.apply.op, shards.units.vector
    assert isinstance(op, RoiAlign)
    return shards.vector(volume(shards.result), 4 * op.sampling**2 * unit.multiply_add + unit.access)


def _proposals(shards: Shards) -> Ints:
    """Boxes of all anchors, a merge sort, and for each box that is kept its overlaps with all candidates."""
    op, unit = shards.apply.op, shards.units.vector
    assert isinstance(op, Proposals)
    anchors = volume(shards.operand(0))
    boxes = shards.vector(anchors, 12 + 2 * unit.special + 3 * unit.access)
    order = shards.vector(anchors, unit.access * np.ceil(np.log2(np.maximum(anchors, 2)).max(initial=1)))
    return boxes + order + shards.vector(np.minimum(anchors, op.candidates) * op.count, 12 + unit.special)


WORK: dict[type[Op], Rule] = {
    **dict.fromkeys((AvgPool, MaxPool, PoolIndices), _pool),
    **dict.fromkeys((AdaptivePool, ArgMax, Change, GlobalPool, ReduceMax, ReduceMean, ReduceSum), _reduce),
    **dict.fromkeys((GroupNorm, LayerNorm, RmsNorm), _norm),
    **dict.fromkeys((Broadcast, Cast, ChannelShuffle, Concat, Embed, Fill, MaxUnpool, Pad), _move),
    **dict.fromkeys((Parameter, Reshape, Select, Sinusoid, Slice, Stack, Transpose), _move),
    Attend: _attend,
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    Linear: _linear,
    MatMul: _matmul,
    Proposals: _proposals,
    Resize: _resize,
    RoiAlign: _roi_align,
    Rope: _rope,
    Softmax: _softmax,
}

# Instructions an element vector takes beside loading and storing; `special` ones take the machine's time for those.
# A norm's statistics are folded into its scale and shift when parameters are loaded. Dropout does nothing at inference;
# a kernel of nothing else copies.
INSTRUCTIONS: dict[type[Op], int] = {
    **dict.fromkeys((Abs, Add, Maximum, Minimum, Mul, Relu, Sub), 1),
    **dict.fromkeys((Affine, BatchNorm, Prelu, Relu6, ScaleShift), 2),
    **dict.fromkeys((Detach, Dropout), 0),
}
SPECIAL: frozenset[type[Op]] = frozenset({Div, Exp, Gelu, Log, Sigmoid, Silu, Sqrt, Tanh})


def kernel_cycles(kernel: Kernel, regions: Regions, machine: Machine) -> Ints:
    """Cycles in which each shard's tile computes: those of its units, or of its memory's ports where these are slower.

    `regions` has a box [..., rank, 2] of every value of the body. A shard that makes nothing takes no time, nor does
    one for which the exchange writes all.
    """
    units = unit_cycles(kernel, regions, machine)
    if not computes(kernel):
        return units
    ports = port_cycles(kernel, held_elements(regions), machine)
    return np.where(volume(regions[kernel.result.name]) > 0, np.maximum(units, ports), 0)


def unit_cycles(kernel: Kernel, regions: Regions, machine: Machine) -> Ints:
    """Cycles of each shard's units, as if they never waited for memory."""
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
    if before is not None and copies_alone(kernel):
        total += _move(Shards(before, regions, units, machine.tile.workers))
    return np.where(volume(regions[kernel.result.name]) > 0, total, 0)


def computes(kernel: Kernel) -> bool:
    """Whether a kernel's units have anything to do: the exchange does not write all of its result."""
    in_place = in_place_values(kernel)
    working = (apply for apply in kernel.body if apply.result.name not in in_place)
    return any(INSTRUCTIONS.get(type(apply.op)) != 0 for apply in working) or copies_alone(kernel)


def copies_alone(kernel: Kernel) -> bool:
    """Whether a kernel does nothing but put its input into a buffer of its own: what dropout is at inference."""
    return bool(kernel.body) and all(type(apply.op) is Dropout for apply in kernel.body)


def _pointwise(shards: Shards, before: Apply | None) -> Ints:
    """An operation on single elements; where it takes over from another one it starts no pass of its own."""
    op, unit = shards.apply.op, shards.units.vector
    cycles = unit.special if type(op) in SPECIAL else float(INSTRUCTIONS[type(op)])
    if not cycles:
        return np.zeros(shards.result.shape[:-2], np.int64)
    fused = before is not None and before.op.pointwise and before.result in shards.apply.values
    if fused:
        return np.asarray(np.ceil(shards.turns(volume(shards.result)) * cycles).astype(np.int64))
    return shards.vector(volume(shards.result), cycles + unit.access)


def in_place_values(kernel: Kernel) -> frozenset[str]:
    """Results of copying operations that the exchange writes where they are read: before them is nothing else."""
    moved = {value.name for value in kernel.inputs}
    written: set[str] = set()
    for apply in kernel.body:
        if is_copy_like(apply.op) and all(value.name in moved for value in data_operands(apply)):
            moved.add(apply.result.name)
            written.add(apply.result.name)
    return frozenset(written)


def compute_units(machine: Machine, dtype: str, span: Span | None = None) -> Compute:
    """The units for elements of `dtype`; indices and the like run on those for f32. Raises CompileError (E0513)."""
    dtype = "f32" if dtype in ("i64", "i32", "bool") else dtype
    for name, units in machine.compute.items():
        if name == dtype:
            return units
    help = f"its file describes units for {', '.join(machine.compute)}"
    raise fail("E0513", f"{machine.name} has no unit for {dtype}", span, help=help)


def work_rules() -> frozenset[type[Op]]:
    """Operations that have a formula."""
    return frozenset(WORK) | frozenset(INSTRUCTIONS) | SPECIAL
