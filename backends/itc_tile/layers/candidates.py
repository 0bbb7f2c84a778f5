"""Candidate plans of a layer: for each split the work and bytes of its supersteps, and the estimate of cycles.

The estimate is the planner's own, as in poplibs: it leaves out synchronisation, and charges partial sums an exchange
and results a regrouping that are not always executed. `cost` gives the cycles of the plan that is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from itc_tile.layers.rearrangement import Rearrangement, estimate, rearrangement
from itc_tile.layers.reduction import SUM_BYTES, Reduction, reduction
from itc_tile.layers.share import Share
from itc_tile.layers.splits import splits
from itc_tile.layers.transforms import Form
from itc_tile.layers.vertex import Vertex, compute_cycles, padding_elements
from itc_tile.layers.vertices import OPERAND_BYTES, Ints, ceil_div
from itc_tile.machine.model import Machine
from itc_tile.machine.supersteps import Supersteps

#: Estimate of ours for the code that selects the slice of one of several serial parts.
SLICE = 700


@dataclass(frozen=True)
class Candidates:
    """Arrays over the splits of a form on a vertex; cycles and bytes are of the fullest tile and one serial part.

    `compute` are cycles; `received` are cycles of the exchanges of inputs, weights and padding, `partials` of the first
    stage of a reduction. `held` are bytes of temporaries, `estimate` the planner's cycles of all parts.
    """

    form: Form
    vertex: Vertex
    share: Share
    compute: Ints
    received: Ints
    partials: Ints
    reduction: Reduction
    moved: Rearrangement
    held: Ints
    estimate: Ints


def candidates(
    form: Form, vertex: Vertex, serial: tuple[int, int], machine: Machine, below: float
) -> Candidates | None:
    """The candidates whose estimate may be less than `below`; none where the layer has too few channels."""
    assert machine.supersteps is not None
    layer, grains = form.layer, vertex.grains
    share = Share(layer, grains, serial, splits(layer, grains, serial, machine.tiles))
    share = _promising(share, vertex, machine.supersteps, below)
    if not share.splits.used.size:
        return None
    bandwidth, workers = machine.exchange.bandwidth, machine.tile.workers
    compute = compute_cycles(share, vertex, machine)
    keep = share.parts * compute < below
    share, compute = share.only(keep), compute[keep]
    used = share.splits.used
    if not used.size:
        return None
    padding = padding_elements(share, vertex, machine.supersteps)
    received = _received(share, padding, machine)
    partials = -(-share.partials * vertex.sum_bytes // bandwidth)
    reduced = _reduced(share, vertex, workers)
    moved = rearrangement(form, grains, serial, used)
    cycles = compute + received + partials + reduced.cycles + -(-reduced.received // bandwidth)
    cycles = cycles + estimate(moved, form, bandwidth)
    return Candidates(
        form,
        vertex,
        share,
        compute,
        received,
        partials,
        reduced,
        moved,
        _held(share, vertex, padding, reduced, moved),
        _of_all_parts(cycles, share, workers),
    )


def _promising(share: Share, vertex: Vertex, supersteps: Supersteps, below: float) -> Share:
    """The splits whose multiply-accumulates alone take less than `below`, and that add sums only where they can."""
    grains = vertex.grains
    taps = share.taps * share.layer.kernel[1] * share.inputs * grains.inputs
    results = -(-share.rows // share.layer.spread[0]) * -(-share.columns // share.layer.spread[1])
    results = results * share.batch * share.outputs * grains.outputs * share.groups * grains.groups
    keep = share.parts * taps * results / vertex.macs_per_cycle(supersteps) < below
    if vertex.sum_bytes != SUM_BYTES:
        keep &= share.splits.depth == 1
    return share.only(keep)


def _received(share: Share, padding: tuple[Ints, Ints], machine: Machine) -> Ints:
    """Cycles of the exchanges of operands: what is on the tile already is not received.

    Tiles that share a bus take the same inputs at once where the output channels split evenly over them.
    """
    assert machine.supersteps is not None
    bandwidth = machine.exchange.bandwidth
    fast = np.where(share.splits.outputs % machine.supersteps.bus == 0, machine.supersteps.bus, 1) * bandwidth
    inputs = share.input_elements - share.input_elements // share.splits.outputs
    fields = share.splits.rows * share.splits.columns * share.splits.batch
    weights = share.weight_elements - share.weight_elements // fields
    cycles = -(-inputs * OPERAND_BYTES // fast) + -(-weights * OPERAND_BYTES // bandwidth)
    return np.asarray(cycles + -(-padding[0] * OPERAND_BYTES // fast) + -(-padding[1] * OPERAND_BYTES // bandwidth))


def _reduced(share: Share, vertex: Vertex, workers: int) -> Reduction:
    """The reduction; sums that are operands already need none."""
    if vertex.sum_bytes == SUM_BYTES:
        return reduction(share.partials, share.splits.depth, workers)
    nothing = np.zeros_like(share.partials)
    return Reduction(nothing, nothing, nothing, nothing)


def _held(share: Share, vertex: Vertex, padding: tuple[Ints, Ints], reduced: Reduction, moved: Rearrangement) -> Ints:
    """Bytes of temporaries: the most of rearrangement, convolution and reduction."""
    operands = (share.input_elements + share.weight_elements + padding[0] + padding[1]) * OPERAND_BYTES
    partials = share.partials * vertex.sum_bytes
    if vertex.kind == "slic":  # a second buffer for the sums of one block
        partials = partials + partials // share.groups
    held = np.maximum(np.maximum(moved.held, operands + partials), reduced.held)
    sums = -(-share.partials // share.splits.depth) * SUM_BYTES
    return np.asarray(held + (sums if share.serial[1] > 1 else 0))


def _of_all_parts(cycles: Ints, share: Share, workers: int) -> Ints:
    """Cycles of all serial parts: weights are sliced for each, and sums of parts of the inputs are added."""
    parts = share.parts
    if parts == 1:
        return cycles
    weights = -(-share.layer.weight_elements // share.splits.used)
    cycles = cycles + SLICE + -(-weights // parts) // 2
    if share.serial[1] > 1:
        sums = -(-share.partials // share.splits.depth)
        cycles = cycles + 11 + workers * (58 + 3 * ceil_div(ceil_div(sums, workers), 2))
    return np.asarray(parts * cycles)
