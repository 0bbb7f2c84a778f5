"""What to say about a net that a machine cannot hold: the fullest tile of the best plan, and what would fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.net import Net
from itc_tile.cost.candidates import Candidates, candidates
from itc_tile.cost.memory import kernel_memory, total
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine, load_machine, presets
from itc_tile.mapping.spatial.planner import Site, sites
from itc_tile.program.program import regions

KIB, MIB = 1 << 10, 1 << 20
TABLE_ROWS = 128


def tile_room(machine: Machine) -> int:
    """Bytes of a tile that a kernel can have, beside as many rows of copies as a plan has in general."""
    return max(0, machine.tile.memory - TABLE_ROWS * machine.code.copy_)


def too_many_kernels(net: Net, machine: Machine, count: int) -> CompileError:
    """E0511: more kernels than tiles, all their copies counted."""
    message = f"{net.name} has {count} kernels, {machine.name} only {machine.tiles} tiles"
    help = "every kernel has tiles of its own: take a machine of more tiles, or share the weights of loops"
    return CompileError([Diagnostic("E0511", message, Label(net.span) if net.span else None, help=help)])


def does_not_fit(graph: KernelGraph, found: Sequence[Site], machine: Machine) -> CompileError:
    """E0510: what fills the fullest tile when the kernels share the tiles as well as they can, and what would fit."""
    needs = [_Need(site.label, site.replicas, site.candidates) for site in found]
    fullest = _fullest(found, machine, _tightest(needs, machine))
    message = f"{graph.net.name} does not fit on {machine.name}: {_demand(found, needs, machine)}"
    span = next(site.node.apply.span for site in found if site.label == fullest.label)
    primary = Label(span, f"a tile of kernel `{fullest.label}` is the fullest") if span else None
    secondary = (Label(graph.net.span, "in this network"),) if graph.net.span and primary else ()
    help = "\n".join((str(fullest), *_ways_out(graph, found, needs, machine)))
    return CompileError([Diagnostic("E0510", message, primary, secondary, help)])


@dataclass(frozen=True, eq=False)
class _Need:
    """The tiles that a kernel takes, by how much these hold; splits of few tiles come first."""

    label: str
    replicas: int
    candidates: Candidates

    def index(self, memory: int) -> int | None:
        """The split of fewest tiles that hold no more than `memory`."""
        fits = np.flatnonzero(self.candidates.memory <= memory)
        return int(fits[0]) if len(fits) else None

    def tiles(self, memory: int) -> float:
        index = self.index(memory)
        return np.inf if index is None else self.replicas * int(self.candidates.shards[index])


def _tiles(needs: Iterable[_Need], memory: int) -> float:
    return sum(need.tiles(memory) for need in needs)


def _tightest(needs: Sequence[_Need], machine: Machine) -> int:
    """The least memory with which so many tiles would hold everything, more than they have or not."""
    levels = np.unique(np.concatenate([need.candidates.memory for need in needs]))
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _tiles(needs, int(levels[middle])) <= machine.tiles else (middle + 1, high)
    return int(levels[high])


@dataclass(frozen=True)
class _Filled:
    """A kernel's fullest tile, in bytes by content, and what a tile has."""

    label: str
    contents: dict[str, int]
    room: int
    all_tiles: int

    @cached_property
    def bytes(self) -> int:
        return sum(self.contents.values())

    def __str__(self) -> str:
        parts = sorted(self.contents.items(), key=lambda item: -item[1])
        contents = ", ".join(f"{name} {size / KIB:.1f} KiB" for name, size in parts if size)
        return (
            f"on all tiles, the fullest of `{self.label}` would hold {self.bytes / KIB:.1f} KiB "
            f"of {self.room / KIB:.0f} KiB: {contents}"
        )


def _filled(site: Site, index: int, machine: Machine) -> _Filled:
    held = regions(site.node, site.candidates.split(index))
    memory = kernel_memory(site.node.kernel, held, site.residency, machine)
    shard = int(np.argmax(total(memory)))
    contents = {name: int(each[shard]) for name, each in memory.items()}
    return _Filled(site.label, contents, machine.tile.memory, site.replicas * int(total(memory).sum()))


def _plan(found: Sequence[Site], machine: Machine, memory: int) -> list[_Filled]:
    """Every kernel on the fewest tiles that hold no more than `memory`, or on as many as it can use."""
    plan = []
    for site in found:
        fits = np.flatnonzero(site.candidates.memory <= memory)
        index = int(fits[0]) if len(fits) else int(np.argmin(site.candidates.memory))
        plan.append(_filled(site, index, machine))
    return plan


def _fullest(found: Sequence[Site], machine: Machine, memory: int) -> _Filled:
    return max(_plan(found, machine, memory), key=lambda filled: filled.bytes)


def _demand(found: Sequence[Site], needs: Sequence[_Need], machine: Machine) -> str:
    """What is needed, and what there is."""
    room = tile_room(machine)
    tiles = _tiles(needs, room)
    needed = sum(filled.all_tiles for filled in _plan(found, machine, room)) / MIB
    where = f"in {tiles:.0f} tiles of" if np.isfinite(tiles) else "in parts larger than a tile of"
    beside = ", and room beside for copies and values that wait" if tiles <= machine.tiles else ""
    there = f"the machine has {machine.memory / MIB:.1f} MiB in {machine.tiles}"
    return f"it needs {needed:.1f} MiB {where} {machine.tile.memory / KIB:.0f} KiB{beside}, {there}"


def _ways_out(graph: KernelGraph, found: Sequence[Site], needs: Sequence[_Need], machine: Machine) -> list[str]:
    """Changes that would make it fit, the smaller first."""
    ways = [way for way in (_sharing(found, needs, machine), _larger_machine(graph, machine)) if way]
    return [f"{'or ' if number else 'to fit: '}{way}" for number, way in enumerate(ways)]


def _sharing(found: Sequence[Site], needs: Sequence[_Need], machine: Machine) -> str:
    """Which blocks would have to share weights over iterations: as few as will do, those that save most first."""
    room = tile_room(machine)
    single = {site.label: _single(site, machine) for site in found if site.replicas > 1}
    saved: dict[str, float] = {}
    for need in needs:
        if need.label in single:
            less = need.tiles(room) - single[need.label].tiles(room)
            saved[_block(need.label)] = saved.get(_block(need.label), 0) + (less if np.isfinite(less) else 0)
    chosen: list[str] = []
    for block in sorted(saved, key=lambda name: -saved[name]):
        chosen.append(block)
        tiles = _tiles([single.get(n.label, n) if _block(n.label) in chosen else n for n in needs], room)
        if tiles <= machine.tiles:
            names = " and ".join(f"`{name}`" for name in chosen)
            return f"share the weights of {names} between iterations: it then takes {tiles:.0f} tiles"
    return ""


def _block(label: str) -> str:
    """What a user knows a kernel by: the first part of its parameters' key."""
    return label.partition(".")[0]


def _single(site: Site, machine: Machine) -> _Need:
    """A kernel whose copies share one weight, and so are one, which keeps all the sets of its other parameters."""
    params = zip(site.residency.sets, site.node.kernel.params, strict=True)
    sets = tuple(count if len(param.tensor.shape) > 1 else count * site.replicas for count, param in params)
    residency = replace(site.residency, sets=sets)
    return _Need(site.label, 1, candidates(site.node.kernel, residency, machine))


def _larger_machine(graph: KernelGraph, machine: Machine) -> str:
    """The smallest preset on which it would fit."""
    larger = sorted((load_machine(name) for name in presets()), key=lambda other: (other.memory, other.clock))
    for other in larger:
        if other.memory > machine.memory and set(other.compute) >= set(machine.compute):
            needs = [_Need(site.label, site.replicas, site.candidates) for site in sites(graph, other)]
            if _tiles(needs, tile_room(other)) <= other.tiles:
                size = f"{other.memory / MIB:.0f} MiB in {other.tiles} tiles"
                return f"take {other.name} ({size}), where it fits"
    return ""
