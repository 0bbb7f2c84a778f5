"""Plans of layers: forms compute the same products, pruning loses nothing, and no plan beats the lower bound."""

from __future__ import annotations

from math import inf, prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc_tile.layers.candidates import candidates
from itc_tile.layers.cost import layer_cost, step_memory
from itc_tile.layers.layer import Convolution, Layer, matrix_product, training_step
from itc_tile.layers.planner import plan
from itc_tile.layers.splits import AXES, Grains, part_counts, splits
from itc_tile.layers.transforms import forms
from itc_tile.layers.vertex import vertices
from itc_tile.machine.model import Machine, load_machine
from itc_tile.validate.bound import lower_bound


def tiny(tiles: int = 24, memory: int = 1 << 20) -> Machine:
    """The GC200 with a few tiles."""
    machine = load_machine("gc200")
    tile = machine.tile.model_copy(update={"memory": memory})
    return machine.model_copy(update={"name": "tiny", "tiles": tiles, "grid": None, "tile": tile})


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    size = st.integers(1, 20)
    groups = draw(st.sampled_from([1, 1, 1, 4, 8]))
    channels = st.sampled_from([1, 3, 4, 16, 24]) if groups == 1 else st.sampled_from([1, 2, 4])
    kernel, stride, pad = (
        draw(st.tuples(part, part)) for part in (st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
    )
    layer = Convolution(
        draw(st.integers(1, 4)),
        groups,
        draw(channels),
        draw(channels),
        draw(st.tuples(size, size)),
        kernel,
        stride,
        pad,
        pad,
    )
    assume(min(layer.result) >= 1)
    return layer


def products(layer: Layer) -> int:
    return layer.result_elements * layer.inputs * prod(layer.kernel)


@given(convolutions())
def test_all_passes_of_a_step_have_the_same_products(layer: Convolution) -> None:
    """With stride 1 and without padding each pair of an output and a kernel position is a product in every pass."""
    forward, _, weights = training_step(layer)
    assert products(forward) == products(weights) >= layer.macs


@given(convolutions())
def test_forms_have_the_same_products(layer: Convolution) -> None:
    for each in training_step(layer):
        for form in forms(each):
            if form.combined == 1 and each.spread == (1, 1):
                assert products(form.layer) == products(each)


@given(st.integers(1, 3000), st.integers(1, 2000))
def test_part_counts_give_each_size_once(size: int, most: int) -> None:
    counts = part_counts(size, most)
    parts = -(-size // counts)
    assert set(parts) == {-(-size // count) for count in range(1, min(size, most) + 1)}
    assert len(set(parts)) == len(parts)


@settings(max_examples=30)
@given(convolutions(), st.integers(1, 60))
def test_splits_use_no_more_than_all_tiles(layer: Convolution, tiles: int) -> None:
    each = splits(training_step(layer)[0], Grains(4, 8), (1, 1), tiles)
    assert len(each.used) >= 1
    assert each.used.max() <= tiles
    assert len({tuple(row) for row in np.stack([getattr(each, axis) for axis in AXES], 1)}) == len(each.used)


@settings(max_examples=4)
@given(convolutions())
def test_pruning_loses_no_plan(layer: Convolution) -> None:
    """The search equals the minimum over all candidates of all forms and vertices, none of them cut off."""
    machine = tiny(12)
    assert machine.supersteps
    for each in training_step(layer):
        estimates = [
            found.estimate.min()
            for form in forms(each)
            for vertex in vertices(form.layer, machine.supersteps)
            if (found := candidates(form, vertex, (1, 1), machine, inf)) is not None
        ]
        assert plan(each, machine).estimate == min(estimates)


@settings(max_examples=6)
@given(convolutions(), st.sampled_from([1, 7, 24, 300]))
def test_no_plan_beats_the_bound(layer: Convolution, tiles: int) -> None:
    machine = tiny(tiles)
    layers = training_step(layer)
    costs = tuple(layer_cost(each, machine) for each in layers)
    assert sum(cost.phases.cycles for cost in costs) >= lower_bound(layers, 3 * layer.macs, machine)
    memory = step_memory(costs, 1000, machine)
    assert 0 < memory.fullest <= memory.total + machine.tile.memory


def test_less_memory_is_never_faster() -> None:
    layer = matrix_product(512, 512, 512)
    estimates = [plan(layer, tiny(memory=memory)).estimate for memory in (1 << 20, 1 << 17, 1 << 16)]
    assert estimates == sorted(estimates)
    assert estimates[0] < estimates[-1]


def test_layer_that_does_not_fit() -> None:
    with pytest.raises(CompileError, match="E0564"):
        plan(matrix_product(512, 512, 512), tiny(memory=1 << 10))


@pytest.mark.parametrize("sizes", [(65536, 1, 65536), (1, 65536, 1), (65536, 16, 16), (50021, 1009, 4099)])
def test_extreme_products_are_planned(sizes: tuple[int, int, int]) -> None:
    """Sizes that give the most splits; the number of combinations is bounded."""
    cost = layer_cost(matrix_product(*sizes), load_machine("gc200"))
    assert cost.tiles <= 1472
    assert cost.phases.cycles >= prod(sizes) / (64 * 1472)
