"""Plans a spatial mapping: partitions, placement, modulo schedule; again where memory or ports limit the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from itc_tile.kernels.critical import CriticalPaths
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.mapping.base import Infeasible, Objective
from itc_tile.mapping.spatial.infeasible import does_not_fit, too_many_kernels, usable_memory
from itc_tile.mapping.spatial.kernels import KernelCandidates, kernel_candidates
from itc_tile.mapping.spatial.latency import Sending, shorten_path
from itc_tile.mapping.spatial.placement import place, refine_placement
from itc_tile.mapping.spatial.planner import choose
from itc_tile.program.build import build_program
from itc_tile.program.footprint import allocated
from itc_tile.program.program import Placement, Program
from itc_tile.tiling.partition import Split
from itc_tile.timing.exchange import Exchange, transfer_volume
from itc_tile.timing.schedule import Lifetimes
from itc_tile.timing.timing import Costs, Timing, time_program

PERIOD_TARGETS = (1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.2, 2.5, 3.0, 4.0, 6.0)
ROUNDS = 4
GROWTH = 1.25  # growth factor when a memory request was too small

Splits = Mapping[str, Split]
Chooser = Callable[[int, Mapping[str, float]], Splits | None]
"""Splits for the memory of a tile and the buffering factors of some kernels; None where that is infeasible."""


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
        planning = Planning(graph, machine, kernel_candidates(graph, machine))
        timing = planning.throughput() if objective == "throughput" else planning.latency(objective)
        if timing is None:
            return Infeasible(does_not_fit(graph, planning.kernels, machine))
        return allocated(timing.program, timing.pipeline)


@dataclass(eq=False)
class Planning:
    """The plans of one graph on one machine; programs that were built before are not built again."""

    graph: KernelGraph
    machine: Machine
    kernels: list[KernelCandidates]
    known: dict[tuple[Split, ...], Costs] = field(default_factory=dict)

    def feasible(self, chooser: Chooser, buffering: Mapping[str, float] | None = None) -> Costs | None:
        """The best plan whose tiles hold buffers and transfer tables as well; None if there is none."""
        memory, buffering = usable_memory(self.machine), dict(buffering or {})
        while True:
            splits = chooser(memory, buffering)
            if splits is None:
                return None
            costs = self.costs(splits)
            excess = -min(int(free.min()) for free in costs.free_memory.values())
            shortfall = costs.shortfall if excess <= 0 else {}
            if excess <= 0 and not shortfall:
                return costs
            memory -= max(excess, 0)
            buffering |= {label: max(buffering.get(label, 0.0) * GROWTH, factor) for label, factor in shortfall.items()}

    def costs(self, splits: Splits) -> Costs:
        """The costs of the program with these splits."""
        key = tuple(splits[kernel.label] for kernel in self.kernels)
        if key not in self.known:
            self.known[key] = Costs(self.placed(splits))
        return self.known[key]

    def placed(self, splits: Splits) -> Program:
        """The program of a plan, on tiles in the order of the kernels; on a grid with a refined placement."""
        tiles = place([kernel.replicas * splits[kernel.label].shards for kernel in self.kernels], self.machine)
        placements = [
            Placement(kernel.label, splits[kernel.label], own.reshape(kernel.replicas, -1))
            for kernel, own in zip(self.kernels, tiles, strict=True)
        ]
        program = build_program(self.graph, self.machine, placements)
        if self.machine.exchange.network == "all-to-all":
            return program
        refined = refine_placement(self.machine, *transfer_volume(Exchange(program)))
        return replace(
            program, placements={label: replace(p, tiles=refined[p.tiles]) for label, p in program.placements.items()}
        )

    def throughput(self) -> Timing | None:
        """The shortest period of plans whose tiles receive before they compute, and of those that do both at once."""
        best: Timing | None = None
        for overlapped in (False, True):
            best = self._shortest_period(overlapped, best)
        return best

    def _shortest_period(self, overlapped: bool, known: Timing | None) -> Timing | None:
        """The shortest period of `known` and plans with memory for more images at once, where memory limits the period.

        Targets are multiples of the first plan's resource bound, in ascending order, up to the best period so far.
        Kernels with a memory shortfall at the target get smaller parts.
        """
        chooser = partial(choose, self.kernels, self.machine, overlapped=overlapped)
        costs = self.feasible(chooser)
        if costs is None:
            return known
        bound = costs.one_at_a_time.resource_bound()
        if known and known.period <= bound:
            return known
        first = time_program(costs.program, costs)
        best = min(known or first, first, key=lambda timing: timing.period)
        for factor in PERIOD_TARGETS:
            if best.period <= bound * factor:
                break
            for other in self._buffered(first, chooser, int(bound * factor)):
                best = min(best, other, key=lambda timing: timing.period)
        return best

    def _buffered(self, timing: Timing, chooser: Chooser, period: int) -> Iterator[Timing]:
        """Plans whose buffering factors grow until no kernel has a memory shortfall at a period."""
        buffering = dict[str, float]()
        for _ in range(ROUNDS):
            lifetimes = Lifetimes(timing.layout())
            shortfall = lifetimes.memory_shortfall(period, timing.free_memory)
            buffering |= {label: max(buffering.get(label, 0.0), factor) for label, factor in shortfall.items()}
            costs = self.feasible(chooser, buffering) if shortfall else None
            if costs is None:
                return
            timing = time_program(costs.program, costs)
            yield timing

    def latency(self, objective: Objective) -> Timing | None:
        """The least latency of the first or the last output of an image alone.

        The next round charges each producer with the shares of its ports that its readers had in the one before.
        """
        label = self.graph.net.labels[0 if objective == "first" else -1]
        sending: dict[str, Sending] = {}
        best: Costs | None = None
        for _ in range(ROUNDS):
            costs = self.feasible(partial(shorten_path, self.kernels, self.machine, self.paths, label, sending))
            if costs is None:
                break
            best = min(best or costs, costs, key=lambda each: (each.outputs[label], max(each.outputs.values())))
            sending = self._sending(costs)
        return time_program(best.program, best) if best else None

    def _sending(self, costs: Costs) -> dict[str, Sending]:
        """For each kernel the reader that waits longest for its ports."""
        found: dict[str, Sending] = {}
        bandwidth = self.machine.exchange.bandwidth
        for kernel in self.kernels:
            alone = kernel.send(costs.program.placements[kernel.label].split)
            for reader, bytes in costs.exchange.sending.get(kernel.label, {}).items():
                receiving = int(costs.exchange.received[reader].max()) // bandwidth
                each = Sending(bytes / bandwidth / max(alone, 1), receiving)
                known = found.setdefault(kernel.label, each)
                found[kernel.label] = max(known, each, key=lambda sent: sent.excess(alone))
        return found

    @cached_property
    def paths(self) -> CriticalPaths:
        return CriticalPaths(self.graph.net, self.graph.instances, barriers=True)
