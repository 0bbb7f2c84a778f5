"""Random placements of a fused net, for tests that must not depend on the planner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from itc.ir import Net
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import load_machine
from itc_tile.program.build import build_program
from itc_tile.program.program import Placement, Program
from itc_tile.tiling.partition import Split


@st.composite
def programs(draw: Any, net: Net, most: int = 3) -> Program:
    """`net` fused, each kernel cut along its axes into up to `most` parts, on tiles in a random order."""
    fused = fuse(net)
    splits = {
        label: draw_split(lambda: draw(st.integers(1, most)), node)
        for label, node in KernelGraph(fused).instances.items()
    }
    return place(fused, splits, draw(st.integers(0, 99)))


def draw_split(number: Callable[[], int], node: KernelInstance) -> Split:
    rank = len(node.kernel.result.tensor.shape)
    return Split(
        number() if rank else 1,
        number() if rank > 1 else 1,
        number() if rank > 2 else 1,
    )


def place(fused: Net, splits: dict[str, Split], seed: int = 0) -> Program:
    """A program with these splits, on a machine with just as many tiles, shuffled."""
    found = KernelGraph(fused).instances
    counts = [found[label].replicas * split.shards for label, split in splits.items()]
    tiles = np.split(np.random.default_rng(seed).permutation(sum(counts)), np.cumsum(counts)[:-1])
    placements = [
        Placement(label, split, own.reshape(found[label].replicas, split.shards))
        for (label, split), own in zip(splits.items(), tiles, strict=True)
    ]
    machine = load_machine("gc200").model_copy(update={"name": "test", "tiles": sum(counts)})
    return build_program(KernelGraph(fused), machine, placements)
