"""Plans a temporal mapping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from itc_tile.cost.candidates import candidates
from itc_tile.cost.cycles import compute_units
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.mapping.base import Infeasible, Objective
from itc_tile.program.build import build_program
from itc_tile.program.program import Placement, Program, Supersteps
from itc_tile.program.supersteps.addresses import shared_addresses
from itc_tile.program.supersteps.exchanges import loop_invariant


@dataclass(frozen=True)
class Temporal:
    """Kernels run one after the other, each on as many tiles as make it fastest."""

    name: str = "temporal"

    def plan(self, graph: KernelGraph, machine: Machine, objective: Objective) -> Program | Infeasible:
        graph = KernelGraph(graph.net, replicated=False)
        placements = []
        for label, node in graph.instances.items():
            compute_units(machine, node.kernel.result.tensor.dtype, node.apply.span)
            found = candidates(node.kernel, graph.residency[label], machine)
            best = int(np.argmin(found.compute + found.receive))
            split = found.split(best)
            placements.append(Placement(label, split, np.arange(split.shards)[None]))
        kept = tuple(sorted(loop_invariant(graph)))
        return shared_addresses(build_program(graph, machine, placements, Supersteps(1, kept)))
