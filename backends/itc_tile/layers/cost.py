"""The cost of a layer on a machine: cycles of the phases of its plan, executed as supersteps, and memory of tiles."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil, prod

from itc_tile.layers.layer import Layer
from itc_tile.layers.planner import Choice, plan
from itc_tile.layers.splits import AXES
from itc_tile.layers.vertices import OPERAND_BYTES
from itc_tile.machine.model import Machine
from itc_tile.machine.supersteps import Fitted, Supersteps


@dataclass(frozen=True)
class Phases:
    """Cycles of a layer by what they are spent on; `sync` includes the control of supersteps."""

    compute: int
    exchange: int
    rearrange: int
    reduce: int
    cast: int
    sync: int

    @property
    def cycles(self) -> int:
        """All of them: phases do not overlap."""
        return sum(self.by_name.values())

    @property
    def by_name(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self, other: Phases) -> Phases:
        return Phases(**{name: cycles + other.by_name[name] for name, cycles in self.by_name.items()})


@dataclass(frozen=True)
class Volumes:
    """What the fitted constants are multiplied with: cycles of exchange at full rate, bytes, and serial parts."""

    exchange: float
    rearranged: float
    regrouped: float
    parts: float


@dataclass(frozen=True)
class LayerCost:
    """A planned layer: cycles by phase, tiles used, and on the fullest tile temporaries and accumulators in bytes.

    `splits` are parts by axis, `serial` the parts of output and input channels taken one after the other.
    """

    layer: Layer
    phases: Phases
    volumes: Volumes
    vertex: str
    splits: dict[str, int]
    serial: tuple[int, int]
    tiles: int
    temporaries: int
    accumulators: int


def layer_cost(layer: Layer, machine: Machine) -> LayerCost:
    """The cost of a layer with float16 operands and float32 sums. Raises CompileError (E0564) where it does not fit."""
    assert machine.supersteps is not None
    choice = plan(layer, machine)
    each, index = choice.candidates, choice.index
    volumes = _volumes(choice, layer, machine)
    return LayerCost(
        layer,
        _phases(choice, volumes, machine.supersteps.fitted),
        volumes,
        each.vertex.kind,
        {axis: int(getattr(each.share.splits, axis)[index]) for axis in AXES},
        each.share.serial,
        int(each.share.splits.used[index]),
        int(each.held[index]),
        int(each.share.partials[index]) * each.vertex.sum_bytes,
    )


def _volumes(choice: Choice, layer: Layer, machine: Machine) -> Volumes:
    """The volumes of all serial parts. An exchange of partial sums happens only where tiles add them."""
    each, index = choice.candidates, choice.index
    later = -(-int(each.reduction.received[index]) // machine.exchange.bandwidth)
    first = int(each.partials[index]) if _adds(choice) else 0
    parts = each.share.parts
    return Volumes(
        parts * (int(each.received[index]) + first + later),
        parts * int(each.moved.bytes[index]) + _spread_bytes(layer, machine),
        parts * int(each.moved.regrouped[index]),
        parts,
    )


def _phases(choice: Choice, volumes: Volumes, fitted: Fitted) -> Phases:
    each, index = choice.candidates, choice.index
    added = each.share.parts * int(each.reduction.cycles[index])
    adds = _adds(choice)
    return Phases(
        compute=each.share.parts * int(each.compute[index]),
        exchange=ceil(fitted.exchange * volumes.exchange),
        rearrange=ceil(fitted.rearrange * volumes.rearranged + fitted.regroup * volumes.regrouped),
        reduce=added if adds else 0,
        cast=0 if adds else added,
        sync=ceil(fitted.layer * volumes.parts),
    )


def _adds(choice: Choice) -> bool:
    """Whether tiles add partial sums of one result."""
    return int(choice.candidates.share.splits.depth[choice.index]) > 1


def _spread_bytes(layer: Layer, machine: Machine) -> float:
    """Bytes of a tile that are spread: the gradient of a strided layer's input, with its zeros."""
    return layer.result_elements * OPERAND_BYTES / machine.tiles if prod(layer.spread) > 1 else 0.0


@dataclass(frozen=True)
class StepMemory:
    """Bytes of a program of layers: of all tiles, and the highest address in use on the fullest."""

    total: int
    fullest: int


def step_memory(costs: tuple[LayerCost, ...], resident: int, machine: Machine) -> StepMemory:
    """Memory of layers that run one after the other beside `resident` bytes of data, spread over all tiles.

    Temporaries of layers take the same memory. Accumulators are in the interleaved memory, at the upper addresses.
    """
    supersteps: Supersteps | None = machine.supersteps
    assert supersteps is not None
    code, spread = supersteps.fitted.code, resident / machine.tiles
    used = max(cost.temporaries * cost.tiles for cost in costs)
    highest = max(cost.temporaries for cost in costs) + spread + code
    above = supersteps.interleaved + max(cost.accumulators for cost in costs)
    return StepMemory(int(machine.tiles * (code + spread) + used), int(max(highest, above)))
