"""Vertex formulas: published vectors, and properties that hold for all sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itc_tile.layers.narrow_vertices import slic, vmac
from itc_tile.layers.reduction import reduction, reduction_stages
from itc_tile.layers.vertices import Groups, VertexUnits, amp_1x1, amp_nx1, worker_runs
from itc_tile.machine.model import load_machine

SIZES = st.integers(1, 200)


def tile(sums: str) -> VertexUnits:
    supersteps = load_machine("gc200").supersteps
    assert supersteps is not None
    return VertexUnits(supersteps.convolution[sums], 6, sums == "f16 into f32")  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "inputs", "outputs", "sums", "cycles"),
    [
        (49, 1, 1, "f16 into f16", 529),
        (196, 4, 4, "f16 into f16", 16111),
        (784, 16, 4, "f16 into f16", 214795),
        (49, 1, 1, "f16 into f32", 878),
        (784, 16, 4, "f16 into f32", 424883),
    ],
)
def test_published_vectors(field: int, inputs: int, outputs: int, sums: str, cycles: int) -> None:
    """Of the table of facts on 1x1 vertices with 64-bit loads of weights."""
    assert amp_1x1(field, Groups(inputs, outputs, 1, 16), tile(sums)) == cycles


@given(SIZES, SIZES, st.integers(1, 8))
def test_workers_divide_all_elements(rows: int, width: int, workers: int) -> None:
    runs = worker_runs(rows, width, workers)
    assert len(runs) == workers
    assert sum(run * count for of in runs for run, count in of) == rows * width


@given(SIZES, SIZES, st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 4]))
def test_no_vertex_is_faster_than_its_units(rows: int, width: int, kernel: int, channels: int, height: int) -> None:
    """8 units of 4 multiply-accumulates in a cycle; short-length convolution has 32 for four channels as well."""
    units, groups = tile("f16 into f32"), Groups(channels, channels, 1, 16)
    shape = np.array([rows]), np.array([width])
    macs = rows * width * kernel * kernel * 16 * channels * channels * 16 // height
    assert amp_nx1(*shape, (kernel, kernel), groups, units, height)[0] >= macs / 32
    assert amp_1x1(rows * width, groups, units) >= rows * width * 256 * channels * channels / 32
    assert slic(*shape, (kernel, kernel), channels, 4, 1, 6)[0] >= rows * width * kernel * kernel * 16 * channels / 32
    assert vmac(shape[0] * width, (kernel, kernel), 1, channels, 6)[0] >= rows * width * kernel * kernel * channels


@given(st.integers(2, 2000))
def test_stages_reduce_the_whole_depth(depth: int) -> None:
    stages = reduction_stages(depth)
    assert stages[-1][1] == 1
    assert np.prod([over for over, _ in stages]) >= depth
    assert len(stages) <= 3


@given(st.integers(1, 10_000), st.integers(1, 500))
def test_reduction_reads_all_partials(partials: int, depth: int) -> None:
    """A worker adds at most two sums of float32 in an instruction, and workers take turns."""
    done = reduction(np.array([partials]), np.array([depth]), 6)
    assert done.cycles[0] >= (partials - partials % depth) / 4 * (depth > 1)
    assert (done.received[0] > 0) == (done.stages[0] > 1)
