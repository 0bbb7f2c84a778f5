"""Rearrangement of whole operands: bytes of a tile that a form of a layer and its vertex bring into another order."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from itc_tile.layers.share import source_size
from itc_tile.layers.splits import Grains
from itc_tile.layers.transforms import FULL, Form
from itc_tile.layers.vertices import OPERAND_BYTES, Ints


@dataclass(frozen=True)
class Rearrangement:
    """Bytes of a tile, for each candidate: inputs, weights and results that are rearranged, results moved in blocks."""

    inputs: Ints
    weights: Ints
    results: Ints
    regrouped: Ints

    @property
    def bytes(self) -> Ints:
        """Bytes that get another order."""
        return self.inputs + self.weights + self.results

    @property
    def held(self) -> Ints:
        """Bytes of temporaries: an operand before and behind."""
        return 2 * np.maximum(np.maximum(self.inputs, self.weights), np.maximum(self.results, self.regrouped))


def rearrangement(form: Form, grains: Grains, serial: tuple[int, int], used: Ints) -> Rearrangement:
    """The bytes, spread over the tiles used: the data of the whole layer, padded to the grains of its vertex."""
    layer = form.layer
    gradient, product = layer.role == "weight gradient", layer.role == "product"
    odd_inputs, odd_outputs = layer.inputs % grains.inputs != 0, layer.outputs % grains.outputs != 0
    always = gradient or form.expands or form.swapped != product or form.combined > 1 or odd_inputs
    results = form.swapped != (gradient or product) or form.combined > 1 or odd_outputs
    sizes = _padded_elements(form, grains, serial)
    each = [-(-size * OPERAND_BYTES // used) for size in sizes]
    nothing = np.zeros_like(used)
    return Rearrangement(
        each[0] if always else nothing,
        each[1] if always or odd_outputs else nothing,
        each[2] if results else nothing,
        each[2] if not results and grains.outputs != FULL else nothing,
    )


def estimate(moved: Rearrangement, form: Form, bandwidth: int) -> Ints:
    """Cycles as the planner expects them: copies of elements, or of blocks, and an exchange of those rearranged."""
    aligned = form.layer.inputs * form.layer.outputs % 4 == 0
    operands = _copies(moved.inputs, aligned, 2) + _copies(moved.weights, aligned, 2)
    aligned = form.layer.outputs % 4 == 0
    results = _copies(moved.results, aligned, 2) + _copies(moved.regrouped, aligned, 4)
    exchange = sum(-(-each // bandwidth) for each in (moved.inputs, moved.weights, moved.results))
    return np.asarray(operands + results + exchange)


def _copies(moved: Ints, aligned: bool, rate: int) -> Ints:
    """Cycles at `rate` bytes in a cycle; channels that fill no words of 64 bits take longer."""
    return np.ceil(moved * (5 / 4 if aligned else 5 / 3) / rate).astype(np.int64)


def _padded_elements(form: Form, grains: Grains, serial: tuple[int, int]) -> tuple[int, int, int]:
    """Elements of the inputs, weights and results of the whole layer, in whole grains."""
    layer = form.layer
    groups = ceil(layer.groups / grains.groups) * grains.groups
    inputs = -(-layer.inputs // (grains.inputs * serial[1])) * grains.inputs * groups
    outputs = -(-layer.outputs // (grains.outputs * serial[0])) * grains.outputs
    rows, columns = (
        int(source_size(layer, axis, np.asarray(layer.result[axis]), np.asarray(layer.kernel[axis]))) for axis in (0, 1)
    )
    weights = layer.kernel[0] * layer.kernel[1] * inputs * outputs
    results = layer.result[0] * layer.result[1] * layer.batch * outputs * groups
    return rows * columns * layer.batch * inputs, weights, results
