"""Diagnostics of an infeasible net: the fullest tile of the best plan, and changes that make the net fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.net import Net
from itc_tile.cost.candidates import Candidates, candidates
from itc_tile.cost.cycles import has_units
from itc_tile.cost.memory import kernel_memory, total
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine, load_machine, presets
from itc_tile.mapping.spatial.kernels import KernelCandidates, kernel_candidates
from itc_tile.program.program import regions

KIB, MIB = 1 << 10, 1 << 20
TABLE_ROWS = 128


def usable_memory(machine: Machine) -> int:
    """Bytes of a tile for a kernel, beside a typical transfer table."""
    return max(0, machine.tile.memory - TABLE_ROWS * machine.code.copy_)


def too_many_kernels(net: Net, machine: Machine, count: int) -> CompileError:
    """E0511: more kernels than tiles, all their replicas counted."""
    message = f"{net.name} has {count} kernels, {machine.name} only {machine.tiles} tiles"
    help = "every kernel has tiles of its own: take a machine of more tiles, or share the weights of loops"
    return CompileError([Diagnostic("E0511", message, Label(net.span) if net.span else None, help=help)])


def does_not_fit(graph: KernelGraph, kernels: Sequence[KernelCandidates], machine: Machine) -> CompileError:
    """E0510: contents of the fullest tile when memory is balanced as well as possible, and changes that would fit."""
    demands = [_TileDemand(kernel.label, kernel.replicas, kernel.candidates) for kernel in kernels]
    fullest = _fullest(kernels, machine, _balanced_memory(demands, machine))
    message = f"{graph.net.name} does not fit on {machine.name}: {_demand(kernels, demands, machine)}"
    span = next(kernel.instance.apply.span for kernel in kernels if kernel.label == fullest.label)
    primary = Label(span, f"a tile of kernel `{fullest.label}` is the fullest") if span else None
    secondary = (Label(graph.net.span, "in this network"),) if graph.net.span and primary else ()
    help = "\n".join((str(fullest), *_ways_out(graph, kernels, demands, machine)))
    return CompileError([Diagnostic("E0510", message, primary, secondary, help)])


@dataclass(frozen=True, eq=False)
class _TileDemand:
    """Tiles that a kernel needs as a function of the memory of a tile; candidates of few tiles come first."""

    label: str
    replicas: int
    candidates: Candidates

    def index(self, memory: int) -> int | None:
        """The candidate of fewest tiles that hold at most `memory`."""
        fits = np.flatnonzero(self.candidates.memory <= memory)
        return int(fits[0]) if len(fits) else None

    def tiles(self, memory: int) -> float:
        index = self.index(memory)
        return np.inf if index is None else self.replicas * int(self.candidates.shards[index])


def _tiles(demands: Iterable[_TileDemand], memory: int) -> float:
    return sum(demand.tiles(memory) for demand in demands)


def _balanced_memory(demands: Sequence[_TileDemand], machine: Machine) -> int:
    """The minimum memory of a tile with which the machine's number of tiles would hold all kernels."""
    levels = np.unique(np.concatenate([demand.candidates.memory for demand in demands]))
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _tiles(demands, int(levels[middle])) <= machine.tiles else (middle + 1, high)
    return int(levels[high])


@dataclass(frozen=True)
class _KernelFootprint:
    """Bytes of a kernel's fullest tile by content, bytes of a tile, and bytes of all tiles of the kernel."""

    label: str
    contents: dict[str, int]
    capacity: int
    all_tiles: int

    @cached_property
    def bytes(self) -> int:
        return sum(self.contents.values())

    def __str__(self) -> str:
        parts = sorted(self.contents.items(), key=lambda item: -item[1])
        contents = ", ".join(f"{name} {size / KIB:.1f} KiB" for name, size in parts if size)
        return (
            f"on all tiles, the fullest of `{self.label}` would hold {self.bytes / KIB:.1f} KiB "
            f"of {self.capacity / KIB:.0f} KiB: {contents}"
        )


def _footprint(kernel: KernelCandidates, index: int, machine: Machine) -> _KernelFootprint:
    shard_regions = regions(kernel.instance, kernel.candidates.split(index))
    memory = kernel_memory(kernel.instance.kernel, shard_regions, kernel.residency, machine)
    shard = int(np.argmax(total(memory)))
    contents = {name: int(each[shard]) for name, each in memory.items()}
    return _KernelFootprint(kernel.label, contents, machine.tile.memory, kernel.replicas * int(total(memory).sum()))


def _plan(kernels: Sequence[KernelCandidates], machine: Machine, memory: int) -> list[_KernelFootprint]:
    """Every kernel on the fewest tiles that hold at most `memory`, or on the split of least memory."""
    plan = []
    for kernel in kernels:
        fits = np.flatnonzero(kernel.candidates.memory <= memory)
        index = int(fits[0]) if len(fits) else int(np.argmin(kernel.candidates.memory))
        plan.append(_footprint(kernel, index, machine))
    return plan


def _fullest(kernels: Sequence[KernelCandidates], machine: Machine, memory: int) -> _KernelFootprint:
    return max(_plan(kernels, machine, memory), key=lambda footprint: footprint.bytes)


def _demand(kernels: Sequence[KernelCandidates], demands: Sequence[_TileDemand], machine: Machine) -> str:
    """Memory and tiles that are needed and available."""
    capacity = usable_memory(machine)
    tiles = _tiles(demands, capacity)
    needed = sum(footprint.all_tiles for footprint in _plan(kernels, machine, capacity)) / MIB
    where = f"in {tiles:.0f} tiles of" if np.isfinite(tiles) else "in parts larger than a tile of"
    beside = ", and more for transfer tables and pipeline buffers" if tiles <= machine.tiles else ""
    available = f"the machine has {machine.memory / MIB:.1f} MiB in {machine.tiles}"
    return f"it needs {needed:.1f} MiB {where} {machine.tile.memory / KIB:.0f} KiB{beside}, {available}"


def _ways_out(
    graph: KernelGraph, kernels: Sequence[KernelCandidates], demands: Sequence[_TileDemand], machine: Machine
) -> list[str]:
    """Changes that make the net fit, small changes first."""
    ways = [way for way in (_sharing(kernels, demands, machine), _larger_machine(graph, machine)) if way]
    return [f"{'or ' if number else 'to fit: '}{way}" for number, way in enumerate(ways)]


def _sharing(kernels: Sequence[KernelCandidates], demands: Sequence[_TileDemand], machine: Machine) -> str:
    """Blocks to share weights over iterations: as few as suffice, in the order of the tiles they save."""
    capacity = usable_memory(machine)
    single = {kernel.label: _single(kernel, machine) for kernel in kernels if kernel.replicas > 1}
    saved: dict[str, float] = {}
    for demand in demands:
        if demand.label in single:
            less = demand.tiles(capacity) - single[demand.label].tiles(capacity)
            saved[_block(demand.label)] = saved.get(_block(demand.label), 0) + (less if np.isfinite(less) else 0)
    chosen: list[str] = []
    for block in sorted(saved, key=lambda name: -saved[name]):
        chosen.append(block)
        tiles = _tiles([single.get(d.label, d) if _block(d.label) in chosen else d for d in demands], capacity)
        if tiles <= machine.tiles:
            names = " and ".join(f"`{name}`" for name in chosen)
            return f"share the weights of {names} between iterations: it then takes {tiles:.0f} tiles"
    return ""


def _block(label: str) -> str:
    """The block of a kernel as the user named it: the first part of its parameters' key."""
    return label.partition(".")[0]


def _single(kernel: KernelCandidates, machine: Machine) -> _TileDemand:
    """A kernel whose replicas share one weight: one replica, which keeps all sets of the other parameters."""
    params = zip(kernel.residency.sets, kernel.instance.kernel.params, strict=True)
    sets = tuple(count if len(param.tensor.shape) > 1 else count * kernel.replicas for count, param in params)
    residency = replace(kernel.residency, sets=sets)
    return _TileDemand(kernel.label, 1, candidates(kernel.instance.kernel, residency, machine))


def _larger_machine(graph: KernelGraph, machine: Machine) -> str:
    """The smallest preset that the net fits on."""
    larger = sorted((load_machine(name) for name in presets()), key=lambda other: (other.memory, other.clock))
    for other in larger:
        if other.memory > machine.memory and all(has_units(each.kernel, other) for each in graph.instances.values()):
            demands = [
                _TileDemand(kernel.label, kernel.replicas, kernel.candidates)
                for kernel in kernel_candidates(graph, other)
            ]
            if _tiles(demands, usable_memory(other)) <= other.tiles:
                size = f"{other.memory / MIB:.0f} MiB in {other.tiles} tiles"
                return f"take {other.name} ({size}), where it fits"
    return ""
