"""Lower bounds where every kernel has tiles of its own: of the latency of each output, and of the period.

The bounds of `itc_tile.cost.bound` give every kernel the whole machine; here, kernels share its tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from itc_tile.cost.allocation import ROUNDS, Allocator, Front, front
from itc_tile.cost.candidates import Candidates, candidates
from itc_tile.kernels.critical import CriticalPaths
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import Machine

#: Executions of kernels that are followed for better bounds; beyond them, those of the first paths are kept.
MOST_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class KernelFronts:
    """For one kernel, cycles of an execution by tiles of all replicas: to receive and compute, or to compute."""

    latency: Front
    interval: Front


@dataclass(frozen=True)
class SharedBound:
    """Lower bounds in cycles: of each output of one image by label, and of the period."""

    outputs: Mapping[str, int]
    period: int


def kernel_fronts(graph: KernelGraph, node: KernelInstance, machine: Machine, known: Candidates | None) -> KernelFronts:
    """The fronts of all candidates whose fullest tile has the memory; they are kept with the kernel."""
    key = "fronts", machine.model_dump_json()
    if key not in node.tables:
        found = known or candidates(node.kernel, graph.residency[node.label], machine)
        fits = np.flatnonzero(found.memory <= machine.tile.memory)
        fits = fits if len(fits) else np.arange(len(found))
        tiles, receive, compute = found.shards[fits] * node.replicas, found.receive[fits], found.compute[fits]
        interval = front(node.label, tiles, compute)
        node.tables[key] = KernelFronts(front(node.label, tiles, receive + compute), interval)
    fronts: KernelFronts = node.tables[key]
    return fronts


def shared_bound(graph: KernelGraph, machine: Machine) -> SharedBound:
    """The bounds of a graph whose kernels own their tiles."""
    fronts = [kernel_fronts(graph, node, machine, None) for node in graph.instances.values()]
    return SharedBound(_outputs(graph, machine, [each.latency for each in fronts]), _period(graph, machine, fronts))


def _outputs(graph: KernelGraph, machine: Machine, fronts: list[Front]) -> dict[str, int]:
    """Each output by the path that is the longest on the whole machine, the first and the last by several in turn."""
    critical = CriticalPaths(graph.net, graph.instances)
    paths = critical.paths({each.label: int(each.cycles[-1]) for each in fronts})
    allocator = Allocator(fronts, machine.tiles)
    if not allocator.feasible:
        return {label: path.cycles for label, path in paths.items()}
    bounds = {label: max(path.cycles, allocator.bound(path.executions)) for label, path in paths.items()}
    rounds = min(ROUNDS, MOST_STEPS // critical.steps)
    for label in {graph.net.labels[0], graph.net.labels[-1]} if rounds else ():
        found = allocator.allocate(lambda cycles, label=label: critical.paths(cycles, [label])[label], rounds)  # type: ignore[misc]
        bounds[label] = max(bounds[label], found.bound)
    return bounds


def _period(graph: KernelGraph, machine: Machine, fronts: list[KernelFronts]) -> int:
    """The shortest period for which the fewest tiles that keep it, summed over the kernels, are there."""
    kernels = [(graph.executions_of_fullest_replica[each.interval.label], each.interval) for each in fronts]
    periods = np.unique(np.concatenate([count * each.cycles for count, each in kernels]))
    low, high = 0, len(periods) - 1
    while low < high:
        middle = (low + high) // 2
        tiles = sum(_fewest(each, int(periods[middle]) // count) for count, each in kernels)
        low, high = (low, middle) if tiles <= machine.tiles else (middle + 1, high)
    return int(periods[high])


def _fewest(front: Front, cycles: int) -> float:
    """Tiles with which an execution takes no longer than so many cycles."""
    position = int(np.searchsorted(-front.cycles, -cycles))
    return int(front.tiles[position]) if position < len(front.tiles) else np.inf
