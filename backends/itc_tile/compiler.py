"""The tile compiler on one screen: net -> kernel graph -> mapping -> program."""

from __future__ import annotations

from itc.ir.net import Net
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.mapping.base import Infeasible, Mapping, Objective
from itc_tile.mapping.spatial.plan import Spatial
from itc_tile.mapping.temporal.plan import Temporal
from itc_tile.program.program import Program

MAPPINGS: dict[str, Mapping] = {mapping.name: mapping for mapping in (Spatial(), Temporal())}


def compile_net(net: Net, machine: Machine, objective: Objective = "throughput", mapping: str = "spatial") -> Program:
    """The program of a net on a machine, for the throughput of a stream of images or the latency of one.

    Raises CompileError: E0510 where the net does not fit, E0511 for more kernels than tiles, E0512 for a series as a
    carry, E0513 for elements that the machine cannot compute, E0514 for a loop that halts, E0523 for operations without
    a record.
    """
    planned = MAPPINGS[mapping].plan(KernelGraph(fuse(net)), machine, objective)
    if isinstance(planned, Infeasible):
        raise planned.error
    return planned
