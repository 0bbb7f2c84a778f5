"""Cycles of a tile: counts of work go in, cycles for each shard come out.

The formulas are of the kind that the cycle estimators of Graphcore's poplibs use; every number in them is the
machine's. `n` elements divide among the `workers` of a tile, which take turns, so a tile issues `workers * ceil(n /
workers)` instructions.

- Matrix unit: passes = taps x ceil(input channels / inputs) x ceil(output channels / outputs), each of which streams
  the F positions of the map: call + passes x (F x inputs x outputs / rate + setup).
- Vector unit: call + instructions x cycles of an instruction.
- Memory ports: the load port reads and the store port writes at the same time; no execution takes less than either.
- A product runs on whichever unit is faster.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from itc.diagnostics import fail
from itc.source import Span
from itc_tile.cost.work import KernelWork, Regions, kernel_work, unit_type, unit_types
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Compute, Machine
from itc_tile.ops.record import Product, VectorPass
from itc_tile.tiling.sets import Ints


def kernel_cycles(kernel: Kernel, regions: Regions, machine: Machine, images: int = 1) -> Ints:
    """Cycles of each shard's tile for `images` at once: of its units, or of its memory's ports where these are slower.

    `regions` has a box [..., rank, 2] of every value of the body. A shard without a result takes no time, nor does
    one for which the exchange writes all.
    """
    work = kernel_work(kernel, regions, images)
    cycles = unit_cycles(work, machine)
    if not work.computes:
        return cycles
    return np.where(work.stored > 0, np.maximum(cycles, port_cycles(work, machine)), 0)


def unit_cycles(work: KernelWork, machine: Machine) -> Ints:
    """Cycles of each shard's units, as if they never waited for memory."""
    total, workers = np.zeros(work.stored.shape, np.int64), machine.tile.workers
    for product in work.products:
        total += _product_cycles(product, compute_units(machine, product.dtype), workers)
    for each in work.passes:
        total += _pass_cycles(each, compute_units(machine, each.dtype), workers)
    return np.where(work.stored > 0, total, 0)


def port_cycles(work: KernelWork, machine: Machine) -> Ints:
    """Cycles of the busier memory port."""
    return np.maximum(-(-work.loaded // machine.tile.load), -(-work.stored // machine.tile.store))


def _instructions(elements: Ints, units: Compute, workers: int) -> Ints:
    """Vector instructions that a tile issues for so many elements."""
    return workers * -(-elements // (workers * units.vector.width))


def _pass_cycles(each: VectorPass, units: Compute, workers: int) -> Ints:
    """Cycles of a pass on the vector unit."""
    unit = units.vector
    cycles = (
        each.simple
        + each.multiply_add * unit.multiply_add
        + each.special * unit.special
        + each.window * unit.window
        + each.access * unit.access
    )
    total = np.ceil(_instructions(each.elements, units, workers) * cycles).astype(np.int64)
    return np.asarray(total + unit.row * each.rows + unit.call * each.call)


def _product_cycles(product: Product, units: Compute, workers: int) -> Ints:
    """Cycles of a product on the faster unit."""
    vector, unit = units.vector, units.matrix
    each = np.ceil(product.taps * product.inputs * vector.multiply_add)
    elements = product.positions * product.outputs * product.groups
    on_vector = vector.call + np.ceil(_instructions(elements, units, workers) * each).astype(np.int64)
    if unit is None:
        return np.asarray(on_vector)
    passes = product.groups * product.taps * -(-product.inputs // unit.inputs) * -(-product.outputs // unit.outputs)
    stream = -(-product.positions * unit.inputs * unit.outputs // unit.rate)
    return np.asarray(np.minimum(on_vector, unit.call + passes * (stream + unit.setup)))


def mac_cycles(kernel: Kernel, machine: Machine) -> float:
    """Cycles of a kernel's multiply-accumulates at a tile's peak rate for their element types."""
    counts = ((apply, apply.op.macs(*(value.tensor for value in apply.values))) for apply in kernel.body)
    return sum(macs / compute_units(machine, unit_types(kernel, apply)[0]).peak for apply, macs in counts if macs)


def has_units(kernel: Kernel, machine: Machine) -> bool:
    """Whether the machine has units for every element type that the kernel computes with."""
    return all(type in machine.compute for type in _unit_types(kernel))


def check_units(kernel: Kernel, machine: Machine, span: Span | None = None) -> None:
    """Raises CompileError (E0513) if the machine lacks units for an element type that the kernel computes with."""
    for type in _unit_types(kernel):
        compute_units(machine, type, span)


def _unit_types(kernel: Kernel) -> Iterable[str]:
    types = []
    for apply in kernel.body:
        product, each = unit_types(kernel, apply)
        types += [product, each] if apply.op.macs(*(value.tensor for value in apply.values)) else [each]
    return dict.fromkeys(types or [unit_type(kernel.result)])


def compute_units(machine: Machine, dtype: str, span: Span | None = None) -> Compute:
    """The units for elements of `dtype`. Raises CompileError (E0513)."""
    for name, units in machine.compute.items():
        if name == dtype:
            return units
    help = f"its file describes units for {', '.join(machine.compute)}"
    raise fail("E0513", f"{machine.name} has no unit for {dtype}", span, help=help)
