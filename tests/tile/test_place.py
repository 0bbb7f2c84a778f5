"""Placement and routes: every tile once, neighbours along the serpentine, loads equal to routes walked hop by hop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine, load_machine
from itc_tile.machine.network import hops, link_loads
from itc_tile.mapping.spatial.infeasible import usable_memory
from itc_tile.mapping.spatial.kernels import kernel_candidates
from itc_tile.mapping.spatial.placement import place, refine_placement, serpentine
from itc_tile.mapping.spatial.planner import choose
from itc_tile.program.build import build_program
from itc_tile.program.program import Placement
from itc_tile.timing.exchange import Exchange, transfer_volume
from tests.tile.hand_itnet import itnet

GRIDS = st.tuples(st.integers(1, 7), st.integers(1, 7))


def grid_machine(rows: int, columns: int, network: str) -> Machine:
    edge = load_machine("edge-16")
    return edge.model_copy(
        update={
            "tiles": rows * columns,
            "grid": (rows, columns),
            "exchange": edge.exchange.model_copy(update={"network": network}),
        }
    )


@given(GRIDS, st.integers(1, 60))
def test_the_serpentine_takes_every_tile_once_and_steps_to_near_ones(grid: tuple[int, int], regions: int) -> None:
    machine = grid_machine(*grid, "mesh")
    path = serpentine(machine, regions)
    assert sorted(path) == list(range(machine.tiles))
    assert hops(machine, path[1:], path[:-1]).max(initial=0) <= 1 + grid[0]


def test_tiles_are_taken_in_order() -> None:
    machine = load_machine("edge-16")
    taken = place([10, 1, 53], machine)
    assert [len(tiles) for tiles in taken] == [10, 1, 53]
    assert sorted(np.concatenate(taken)) == list(range(64))


def test_a_region_is_about_square() -> None:
    machine = load_machine("edge-128")
    region = place([16] * 32, machine)[5]
    rows, columns = region // 32, region % 32
    assert np.ptp(rows) < 6 and np.ptp(columns) < 6


@pytest.mark.parametrize("network", ["mesh", "torus"])
@given(grid=GRIDS, data=st.data())
def test_loads_are_those_of_routes_walked(network: str, grid: tuple[int, int], data: st.DataObject) -> None:
    machine = grid_machine(*grid, network)
    tile = st.integers(0, machine.tiles - 1)
    routes = data.draw(st.lists(st.tuples(tile, tile, st.integers(1, 99)), max_size=8))
    source, target, amounts = (
        np.array(column, np.int64) for column in (zip(*routes, strict=True) if routes else [[]] * 3)
    )
    expected = np.zeros((4, *grid), np.int64)
    for a, b, amount in routes:
        steps = walk(a, b, grid, network == "torus")
        for link in steps:
            expected[link] += amount
        assert hops(machine, np.array([a]), np.array([b]))[0] == len(steps)
    assert (link_loads(machine, source, target, amounts) == expected).all()


@pytest.mark.parametrize("network", ["mesh", "torus"])
@given(grid=GRIDS, data=st.data())
def test_refinement_is_a_permutation_and_fills_no_link_more(
    network: str, grid: tuple[int, int], data: st.DataObject
) -> None:
    machine = grid_machine(*grid, network)
    tile = st.integers(0, machine.tiles - 1)
    routes = data.draw(st.lists(st.tuples(tile, tile, st.integers(1, 99)), min_size=1, max_size=20))
    source, target, amounts = (np.array(column, np.int64) for column in zip(*routes, strict=True))
    moved = refine_placement(machine, source, target, amounts)
    assert sorted(moved) == list(range(machine.tiles))
    before, after = (
        link_loads(machine, at[source], at[target], amounts).max() for at in (np.arange(machine.tiles), moved)
    )
    assert after <= before


def test_refinement_shortens_the_routes_of_an_itnet() -> None:
    """Kernels in the order of the text leave one link with several times what it need carry."""
    machine = load_machine("edge-128")
    kernels = kernel_candidates(KernelGraph(fuse(itnet())), machine)
    splits = choose(kernels, machine, usable_memory(machine))
    assert splits is not None
    tiles = place([kernel.replicas * splits[kernel.label].shards for kernel in kernels], machine)
    placements = [
        Placement(kernel.label, splits[kernel.label], own.reshape(kernel.replicas, -1))
        for kernel, own in zip(kernels, tiles, strict=True)
    ]
    source, target, amounts = transfer_volume(Exchange(build_program(KernelGraph(fuse(itnet())), machine, placements)))
    moved = refine_placement(machine, source, target, amounts)
    before, after = (link_loads(machine, at[source], at[target], amounts).max() for at in (np.arange(512), moved))
    assert 2 * after < before


def walk(source: int, target: int, grid: tuple[int, int], wraps: bool) -> list[tuple[int, int, int]]:
    """The links of a route, one hop at a time: along the row, then along the column."""
    at, end = list(divmod(source, grid[1])), divmod(target, grid[1])
    out = []
    for axis, directions in ((1, (0, 1)), (0, (2, 3))):
        size = grid[axis]
        while at[axis] != end[axis]:
            ahead = (end[axis] - at[axis]) % size
            up = 2 * ahead <= size if wraps else end[axis] > at[axis]
            out.append((directions[0] if up else directions[1], at[0], at[1]))
            at[axis] = (at[axis] + (1 if up else -1)) % size
    return out
