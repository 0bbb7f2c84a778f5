"""The better of spatial and temporal mapping for an objective; where only one fits, that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.mapping.base import Infeasible, Objective
from itc_tile.mapping.spatial.plan import Spatial
from itc_tile.mapping.temporal.plan import Temporal
from itc_tile.program.program import Program
from itc_tile.timing.supersteps import time_supersteps
from itc_tile.timing.timing import time_program


@dataclass(frozen=True)
class Auto:
    """Plans both mappings. Throughput is compared by cycles for an image, latency by the last output of a batch."""

    batch: int = 1
    name: str = "auto"

    def plan(self, graph: KernelGraph, machine: Machine, objective: Objective) -> Program | Infeasible:
        """The program of fewer cycles, of equal ones the spatial one; where neither fits, why the temporal does not."""
        spatial = Spatial().plan(graph, machine, objective)
        temporal = Temporal(self.batch).plan(graph, machine, objective)
        if isinstance(temporal, Infeasible):
            return temporal if isinstance(spatial, Infeasible) else spatial
        if isinstance(spatial, Infeasible):
            return temporal
        return min((spatial, temporal), key=lambda program: self._cycles(program, objective))

    def _cycles(self, program: Program, objective: Objective) -> int:
        """For a stream the period; for one batch the last output of its last image."""
        if program.supersteps:
            timing = time_supersteps(program)
            return timing.period if objective == "throughput" else _latency(timing.outputs, objective)
        stream = time_program(program)
        if objective == "throughput":
            return stream.period
        return _latency(stream.outputs, objective) + (self.batch - 1) * stream.period


def _latency(outputs: Mapping[str, int], objective: Objective) -> int:
    return min(outputs.values(), default=0) if objective == "first" else max(outputs.values(), default=0)
