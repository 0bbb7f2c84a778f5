"""Plans a spatial mapping: partitions, placement, modulo schedule; again where memory limits the period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from itc_tile.cost.memory import total
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.mapping.base import Infeasible, Objective
from itc_tile.mapping.spatial.infeasible import does_not_fit, tile_room, too_many_kernels
from itc_tile.mapping.spatial.placement import place, settled
from itc_tile.mapping.spatial.planner import Site, choose, sites
from itc_tile.program.build import build_program
from itc_tile.program.footprint import allocated, footprint
from itc_tile.program.program import Placement, Program
from itc_tile.tiling.partition import Split
from itc_tile.timing.exchange import Exchange, traffic
from itc_tile.timing.schedule import Lifetimes, Stream
from itc_tile.timing.timing import Timing, image_cycles, time_program, waiting

SLOWER = (1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.2, 2.5, 3.0, 4.0, 6.0)
ROUNDS = 4
GROWTH = 1.25  # growth factor when a memory request was too small
PACES = (1.25, 1.5, 2, 3, 5, 10, 1e9)


@dataclass(frozen=True)
class Spatial:
    """Every kernel owns its tiles; images are pipelined through the machine."""

    name: str = "spatial"

    def plan(self, graph: KernelGraph, machine: Machine, objective: Objective) -> Program | Infeasible:
        """The program of a graph. E0510 where it does not fit, E0511 for more kernels than tiles.

        Raises CompileError (E0513) for elements that the machine cannot compute.
        """
        count = sum(node.replicas for node in graph.instances.values())
        if count > machine.tiles:
            return Infeasible(too_many_kernels(graph.net, machine, count))
        found = sites(graph, machine)
        program = _planned(graph, found, machine)
        if program is None:
            return Infeasible(does_not_fit(graph, found, machine))
        timing = _deeper(program, found) if objective == "throughput" else time_program(_faster(program, found))
        return allocated(timing.program, timing.pipeline)


def _planned(
    graph: KernelGraph, found: list[Site], machine: Machine, more: Mapping[str, float] | None = None, relaxed: float = 1
) -> Program | None:
    """The program of the best plan in which every tile has room, what waits and tables of copies included, if any."""
    room, more = tile_room(machine), dict(more or {})
    while True:
        splits = choose(found, machine, room, more, relaxed)
        if splits is None:
            return None
        program = _placed(graph, found, splits, machine)
        memory = footprint(program)
        over = max(int(total(contents).max()) for contents in memory.values()) - machine.tile.memory
        room -= max(over, 0)
        wanting = waiting(program, memory) if over <= 0 else {}
        if over <= 0 and not wanting:
            return program
        more |= {label: max(more.get(label, 0.0) * GROWTH, wanted) for label, wanted in wanting.items()}


def _placed(graph: KernelGraph, found: list[Site], splits: dict[str, Split], machine: Machine) -> Program:
    """The program of a plan, on tiles in the order of the kernels; on a grid, moved to where ways are short."""
    tiles = place([site.replicas * splits[site.label].shards for site in found], machine)
    placements = [
        Placement(site.label, splits[site.label], own.reshape(site.replicas, -1))
        for site, own in zip(found, tiles, strict=True)
    ]
    program = build_program(graph, machine, placements)
    if machine.exchange.network == "all-to-all":
        return program
    moved = settled(machine, *traffic(Exchange(program)))
    return replace(
        program, placements={label: replace(p, tiles=moved[p.tiles]) for label, p in program.placements.items()}
    )


def _deeper(program: Program, found: list[Site]) -> Timing:
    """A plan with room for more images at once, where it is memory that makes the period long.

    Longer and longer periods are aimed at, from the shortest that the first plan's kernels could keep: those that lack
    the room for it get smaller parts, until none does. No period is aimed at that is longer than what is reached.
    """
    first = best = time_program(program)
    shortest = Lifetimes(Stream(first.exchange, first.compute)).shortest()
    for slower in SLOWER:
        if best.period <= shortest * slower:
            break
        other = _with_room(first, found, int(shortest * slower))
        best = min(best, other, key=lambda timing: timing.period)
    return best


def _with_room(timing: Timing, found: list[Site], period: int) -> Timing:
    """The best of the plans on the way to one whose kernels have the room for a period."""
    best, more = timing, dict[str, float]()
    for _ in range(ROUNDS):
        lifetimes = Lifetimes(Stream(timing.exchange, timing.compute))
        wanting = lifetimes.wanting(period, timing.room)
        more |= {label: max(more.get(label, 0.0), room) for label, room in wanting.items()}
        other = _planned(timing.program.graph, found, timing.program.machine, more) if wanting else None
        if other is None:
            break
        timing = time_program(other)
        best = min(best, timing, key=lambda each: each.period)
    return best


def _faster(program: Program, found: list[Site]) -> Program:
    """The plan, among those that keep slower and slower paces, on which one image alone is done first."""
    others = (_planned(program.graph, found, program.machine, relaxed=pace) for pace in PACES)
    return min((program, *(other for other in others if other is not None)), key=image_cycles)
