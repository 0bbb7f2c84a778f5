"""Random bulk-synchronous programs, for tests that must not depend on the planner."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from itc.ir import Net
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.program.build import build_program
from itc_tile.program.program import Placement, Program, Supersteps
from itc_tile.program.supersteps.addresses import shared_addresses
from itc_tile.program.supersteps.exchanges import loop_invariant
from tests.tile.placements import draw_split


@st.composite
def superstep_programs(draw: Any, net: Net, machine: Machine, most: int = 3) -> Program:
    """`net` fused, each kernel cut along its axes into up to `most` parts, on tiles drawn from a few."""
    graph = KernelGraph(fuse(net), replicated=False)
    placements = []
    for label, node in graph.instances.items():
        split = draw_split(lambda: draw(st.integers(1, most)), node)
        tiles = np.random.default_rng(draw(st.integers(0, 9))).permutation(max(split.shards, 9))[: split.shards]
        placements.append(Placement(label, split, tiles.reshape(1, -1)))
    invariant = sorted(loop_invariant(graph))
    kept = tuple(target for target in invariant if draw(st.booleans()))
    return shared_addresses(build_program(graph, machine, placements, Supersteps(1, kept)))
