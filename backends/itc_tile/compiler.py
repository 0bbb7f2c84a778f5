"""The tile compiler on one screen: net -> kernel graph -> mapping -> program."""

from __future__ import annotations

from itc.ir.net import Net
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.mapping.auto import Auto
from itc_tile.mapping.base import Infeasible, Mapping, MappingName, Objective, check_batch
from itc_tile.mapping.spatial.plan import Spatial
from itc_tile.mapping.temporal.plan import Temporal
from itc_tile.program.program import Program


def compile_net(
    net: Net, machine: Machine, objective: Objective = "throughput", mapping: MappingName = "spatial", batch: int = 1
) -> Program:
    """The program of a net on a machine, for the throughput of a stream of images or the latency of one.

    `mapping` is spatial (kernels own their tiles, a pipeline), temporal (one kernel at a time on all tiles, for `batch`
    images at once) or auto, the better of both. Raises CompileError: E0510 where the net does not fit, or E0553 under
    temporal mapping, E0511 for more kernels than tiles, E0512 for a series as a carry, E0513 for elements that the
    machine cannot compute, E0514 for a loop that halts, E0523 for operations without a record, E0554 for a batch under
    spatial mapping, which takes one image after the other.
    """
    planned = _mapping(mapping, batch).plan(KernelGraph(fuse(net)), machine, objective)
    if isinstance(planned, Infeasible):
        raise planned.error
    return planned


def _mapping(name: MappingName, batch: int) -> Mapping:
    check_batch(name, batch)
    mappings: tuple[Mapping, ...] = (Spatial(), Temporal(batch), Auto(batch))
    return {mapping.name: mapping for mapping in mappings}[name]
