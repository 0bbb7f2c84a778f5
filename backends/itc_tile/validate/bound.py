"""Lower bound of the cycles of layers: no plan on the machine is faster.

- compute: multiply-accumulates at the highest rate of the units;
- memory: operands loaded and results stored, once each, through the ports of all tiles.

Data may lie where it is used, so that no exchange is needed for certain.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from itc_tile.layers.layer import Layer
from itc_tile.layers.vertices import OPERAND_BYTES
from itc_tile.machine.model import Machine

#: Multiply-accumulates of one unit in a cycle.
RATE = 4


def lower_bound(layers: Iterable[Layer], macs: int, machine: Machine) -> int:
    """Cycles of layers that have `macs` multiply-accumulates in all, without those on padding; one after the other."""
    assert machine.supersteps is not None
    rate = RATE * max(units.units for units in machine.supersteps.convolution.values())
    return ceil(max(macs / (rate * machine.tiles), sum(_memory_cycles(layer, machine) for layer in layers)))


def _memory_cycles(layer: Layer, machine: Machine) -> float:
    loaded = (layer.read_elements + layer.weight_elements) * OPERAND_BYTES / machine.tile.load
    return max(loaded, layer.result_elements * OPERAND_BYTES / machine.tile.store) / machine.tiles
