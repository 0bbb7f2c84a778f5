"""Plans against all plans: on machines of few tiles, every split of every kernel is built and timed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from itc.ir import Net, parse_net
from itc_tile import compile_net
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine, load_machine
from itc_tile.program.build import build_program
from itc_tile.program.program import Placement, Program
from itc_tile.tiling.partition import Split
from itc_tile.timing.timing import Costs, time_program

CHAIN = """
net @chain(%x: f32[{c}, {h}, {w}]) {{
  param @a: f32[{d}, {c}, 3, 3] {{role = weight, init = kaiming}}
  param @b: f32[{c}, {d}, 1, 1] {{role = weight, init = kaiming}}
  %0 = conv(%x, @a) {{pad = [1, 1]}}: f32[{d}, {h}, {w}]
  %1 = conv(%0, @b): f32[{c}, {h}, {w}]
  {more}
  return %2 {{name = y}}
}}
"""
LOOP = """
net @looped(%x: f32[{c}, {h}, {w}]) {{
  param @a: f32[{d}, {c}, 3, 3] {{role = weight, init = kaiming}}
  param @b: f32[{c}, {d}, 1, 1] {{role = weight, init = kaiming}}
  %5 = loop %t in 1..{n} carry (%h = %x) {{
    %0 = conv(%h, @a) {{pad = [1, 1]}}: f32[{d}, {h}, {w}]
    %1 = conv(%0, @b): f32[{c}, {h}, {w}]
    yield %1
  }}: f32[{c}, {h}, {w}]
  {more}
  return %2 {{name = y}}
}}
"""
ENDS = (
    "%2 = max_pool({x}) {{kernel = [2, 2], stride = [2, 2]}}: f32[{c}, {i}, {j}]",
    "%2 = relu({x}): f32[{c}, {h}, {w}]",
)


def drawn(seed: int) -> tuple[Net, Machine]:
    """A chain or a loop of two to four kernels, and a machine of 4 to 7 tiles."""
    rng = random.Random(seed)
    h, w = rng.choice([4, 6, 8, 12]), rng.choice([4, 8, 12])
    sizes = {"c": rng.choice([4, 8]), "d": rng.choice([4, 8, 16]), "h": h, "w": w, "i": h // 2, "j": w // 2}
    looped, end = rng.random() < 0.6, rng.choice(ENDS)
    more = end.format(x="%5" if looped else "%1", **sizes)
    text = (LOOP if looped else CHAIN).format(more=more, n=rng.choice([2, 3, 4, 8]), **sizes)
    machine = load_machine("gc200").model_copy(update={"name": "few", "tiles": rng.choice([4, 5, 6, 7]), "grid": None})
    return parse_net(text), machine


def all_programs(net: Net, machine: Machine) -> Iterator[Program]:
    """Every program of a net: each kernel with every number of parts along each axis of its result."""
    graph = KernelGraph(fuse(net))
    spare = machine.tiles - sum(node.replicas for node in graph.instances.values())
    options = []
    for node in graph.instances.values():
        shape = (1, 1, 1, *node.kernel.result.tensor.shape)[-3:]
        most = 1 + spare // node.replicas
        parts = product(*(range(1, min(size, most) + 1) for size in shape))
        options.append([Split(*each) for each in parts if np.prod(each) <= most])
    for splits in product(*options):
        nodes = list(graph.instances.values())
        counts = [node.replicas * split.shards for node, split in zip(nodes, splits, strict=True)]
        if sum(counts) > machine.tiles:
            continue
        tiles = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
        yield build_program(
            graph,
            machine,
            [
                Placement(node.label, split, own.reshape(node.replicas, -1))
                for node, split, own in zip(nodes, splits, tiles, strict=True)
            ],
        )


def ratios(seed: int) -> tuple[float, float]:
    """Period and latency of the planned programs over the best of all."""
    net, machine = drawn(seed)
    period = latency = np.inf
    for program in all_programs(net, machine):
        costs = Costs(program)
        if all((free >= 0).all() for free in costs.free_memory.values()) and not costs.shortfall:
            timing = time_program(program, costs)
            period, latency = min(period, timing.period), min(latency, max(timing.outputs.values()))
    stream, image = (time_program(compile_net(net, machine, objective)) for objective in ("throughput", "last"))
    return stream.period / period, max(image.outputs.values()) / latency


def test_plans_are_near_the_best() -> None:
    found = np.array([ratios(seed) for seed in range(6)])
    assert (found >= 1).all() and (found <= 1.05).all()


@pytest.mark.long
def test_most_plans_are_near_the_best() -> None:
    """Of many nets: the share within 5 % of the best, and the mean."""
    found = np.array([ratios(seed) for seed in range(60)])
    near = (found <= 1.05).mean(axis=0)
    assert (found >= 1).all()
    assert (near >= 0.85).all() and (found.mean(axis=0) <= 1.03).all(), (near, found.mean(axis=0), found.max(axis=0))
