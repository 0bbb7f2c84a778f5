"""Plans a spatial mapping: partitions, placement, modulo schedule; again where memory limits the period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from itc_tile.cost.memory import total
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.mapping.base import Infeasible, Objective
from itc_tile.mapping.spatial.infeasible import does_not_fit, too_many_kernels, usable_memory
from itc_tile.mapping.spatial.placement import place, refine_placement
from itc_tile.mapping.spatial.planner import KernelCandidates, choose, kernel_candidates
from itc_tile.program.build import build_program
from itc_tile.program.footprint import allocated, footprint
from itc_tile.program.program import Placement, Program
from itc_tile.tiling.partition import Split
from itc_tile.timing.exchange import Exchange, transfer_volume
from itc_tile.timing.schedule import Lifetimes, PipelineLayout
from itc_tile.timing.timing import Costs, Timing, image_cycles, time_program

PERIOD_TARGETS = (1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.2, 2.5, 3.0, 4.0, 6.0)
ROUNDS = 4
GROWTH = 1.25  # growth factor when a memory request was too small
RELAXATIONS = (1.25, 1.5, 2, 3, 5, 10, 1e9)


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
        kernels = kernel_candidates(graph, machine)
        program = _feasible_program(graph, kernels, machine)
        if program is None:
            return Infeasible(does_not_fit(graph, kernels, machine))
        timing = _shorten_period(program, kernels) if objective == "throughput" else _minimise_latency(program, kernels)
        return allocated(timing.program, timing.pipeline)


def _feasible_program(
    graph: KernelGraph,
    kernels: list[KernelCandidates],
    machine: Machine,
    buffering: Mapping[str, float] | None = None,
    relaxation: float = 1,
) -> Program | None:
    """The program of the best plan whose tiles hold buffers and transfer tables as well; None if there is none."""
    memory, buffering = usable_memory(machine), dict(buffering or {})
    while True:
        splits = choose(kernels, machine, memory, buffering, relaxation)
        if splits is None:
            return None
        program = _placed(graph, kernels, splits, machine)
        held = footprint(program)
        excess = max(int(total(contents).max()) for contents in held.values()) - machine.tile.memory
        memory -= max(excess, 0)
        shortfall = Costs(program).shortfall() if excess <= 0 else {}
        if excess <= 0 and not shortfall:
            return program
        buffering |= {label: max(buffering.get(label, 0.0) * GROWTH, factor) for label, factor in shortfall.items()}


def _placed(graph: KernelGraph, kernels: list[KernelCandidates], splits: dict[str, Split], machine: Machine) -> Program:
    """The program of a plan, on tiles in the order of the kernels; on a grid with a refined placement."""
    tiles = place([kernel.replicas * splits[kernel.label].shards for kernel in kernels], machine)
    placements = [
        Placement(kernel.label, splits[kernel.label], own.reshape(kernel.replicas, -1))
        for kernel, own in zip(kernels, tiles, strict=True)
    ]
    program = build_program(graph, machine, placements)
    if machine.exchange.network == "all-to-all":
        return program
    refined = refine_placement(machine, *transfer_volume(Exchange(program)))
    return replace(
        program, placements={label: replace(p, tiles=refined[p.tiles]) for label, p in program.placements.items()}
    )


def _shorten_period(program: Program, kernels: list[KernelCandidates]) -> Timing:
    """Plans with memory for more images at once, where memory limits the period.

    Targets are multiples of the first plan's resource bound, in ascending order, up to the best period so far. Kernels
    with a memory shortfall at the target get smaller parts.
    """
    first = best = time_program(program)
    bound = PipelineLayout(first.exchange, first.compute).resource_bound()
    for factor in PERIOD_TARGETS:
        if best.period <= bound * factor:
            break
        other = _with_buffering(first, kernels, int(bound * factor))
        best = min(best, other, key=lambda timing: timing.period)
    return best


def _with_buffering(timing: Timing, kernels: list[KernelCandidates], period: int) -> Timing:
    """The best of the plans whose buffering factors grow until no kernel has a memory shortfall at a period."""
    best, buffering = timing, dict[str, float]()
    for _ in range(ROUNDS):
        lifetimes = Lifetimes(PipelineLayout(timing.exchange, timing.compute))
        shortfall = lifetimes.memory_shortfall(period, timing.free_memory)
        buffering |= {label: max(buffering.get(label, 0.0), factor) for label, factor in shortfall.items()}
        graph, machine = timing.program.graph, timing.program.machine
        other = _feasible_program(graph, kernels, machine, buffering) if shortfall else None
        if other is None:
            break
        timing = time_program(other)
        best = min(best, timing, key=lambda each: each.period)
    return best


def _minimise_latency(program: Program, kernels: list[KernelCandidates]) -> Timing:
    """Lowest single-image latency over relaxed initiation intervals."""
    others = (_feasible_program(program.graph, kernels, program.machine, relaxation=r) for r in RELAXATIONS)
    return time_program(min((program, *(other for other in others if other is not None)), key=image_cycles))
