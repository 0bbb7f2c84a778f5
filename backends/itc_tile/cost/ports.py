"""Cycles in which a tile's memory ports serve one run of a kernel, whatever unit computes it.

A kernel reads the elements that it needs of every input and of its weights at least once, through the load port, and
writes its result through the store port, both at the same time. An operation whose values choose what it reads (rows of
a table, samples of a region) reads no more than they choose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Value
from itc.ir.ops.region import RoiAlign
from itc.ir.ops.table import Embed
from itc.ir.types import DTYPE_BYTES
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Machine
from itc_tile.tiling.boxes import volume

Ints = NDArray[np.int64]
Elements = Callable[[Value], Ints]


def held_elements(regions: Mapping[str, Ints]) -> Elements:
    """Elements of each value that each shard holds, from the sizes of its regions as boxes [..., rank, 2]."""
    return lambda value: volume(regions[value.name])


def port_cycles(kernel: Kernel, elements: Elements, machine: Machine) -> Ints:
    """Cycles of the busier port; `elements` counts those read of an operand, or made of a result."""
    most = _most_chosen(kernel, elements)
    read = np.zeros((), np.int64)
    for value in kernel.inputs + kernel.params:
        if value.name in kernel.read:
            wanted = elements(value)
            read = read + _bytes(value, np.minimum(wanted, most.get(value.name, wanted)))
    written = _bytes(kernel.result, elements(kernel.result))
    return np.maximum(-(-read // machine.tile.load), -(-written // machine.tile.store))


def _bytes(value: Value, elements: Ints) -> Ints:
    return elements * DTYPE_BYTES[value.tensor.dtype]


def _most_chosen(kernel: Kernel, elements: Elements) -> dict[str, Ints]:
    """The most elements that are read of values of which other values choose the elements."""
    found: dict[str, Ints] = {}
    for apply in kernel.body:
        if isinstance(apply.op, Embed):
            found[apply.values[1].name] = elements(apply.result)
        elif isinstance(apply.op, RoiAlign):
            found[apply.values[0].name] = elements(apply.result) * 4 * apply.op.sampling**2
    return found
