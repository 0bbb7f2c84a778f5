"""Cycles of the convolution vertices of poplibs on one tile, from counts of elements and groups of channels.

The workers of a tile take turns, so an instruction of a worker takes as many cycles of the tile as there are workers.
Field elements divide over the workers: worker i takes floor((i + 1) n / W) - floor(i n / W). Every number is from the
cycle estimators of poplibs (`PerformanceEstimation.hpp`): straight-line code of its vertices, counted in instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from itc_tile.machine.supersteps import ConvolutionUnits

Ints = NDArray[np.int64]
Counts = Ints | int
OPERAND_BYTES = 2
#: Cycles in which a worker streams one element of the field past its unit's weights.
STREAM = 4
#: Pairs of sizes that a table may have a place for.
MOST_PAIRS = 4_000_000
#: Shapes of a tile's field whose cycles are kept.
MOST_SHAPES = 1 << 16


Number = TypeVar("Number", int, Ints)


def ceil_div(number: Number, by: int) -> Number:
    """The quotient, rounded up."""
    return -(-number // by)


@dataclass(frozen=True)
class VertexUnits:
    """The units of a tile at one precision of sums, and the workers that feed them."""

    units: ConvolutionUnits
    workers: int
    wide_sums: bool

    @property
    def weight_load(self) -> int:
        """Cycles to load the weights of all units."""
        return self.units.units * self.units.weights * OPERAND_BYTES // self.units.load


@dataclass(frozen=True)
class Groups:
    """What a vertex loops over: groups of input channels, of output channels and of the convolution."""

    inputs: Counts
    outputs: Counts
    convolutions: Counts
    #: Output channels in a group of them.
    width: int


def amp_1x1(field: Counts, groups: Groups, tile: VertexUnits) -> Ints:
    """Cycles of the vertex for kernels of one element, over `field` elements. Exact on the published test vectors."""
    passes = -(-groups.width // tile.units.units)
    first = tile.weight_load + 7 + _stream_1x1(np.asarray(field), True, tile.workers)
    later = tile.weight_load + 6 + _stream_1x1(np.asarray(field), False, tile.workers)
    wide = 9 * passes if tile.wide_sums else 0
    first = 11 + groups.outputs * (18 + passes * first + wide)
    later = 15 + groups.outputs * (19 + passes * later + wide + (1 if tile.wide_sums else 0))
    once = 50 + tile.workers * (7 + 3 * (groups.inputs * groups.convolutions - 1))
    return np.asarray(once + groups.convolutions * (13 + (groups.inputs - 1) * later + first))


def _stream_1x1(field: Ints, zeroing: bool, workers: int) -> Ints:
    """Cycles of the workers for one pass: the slowest, or the fastest and the return to the supervisor."""
    slowest = _worker_1x1(-(-field // workers), zeroing)
    fastest = _worker_1x1(field // workers, zeroing)
    return np.maximum(workers * slowest, workers * fastest + 14)


def _worker_1x1(elements: Ints, zeroing: bool) -> Ints:
    short = np.select([elements == 1, elements == 2], [31, 40]) + (1 if zeroing else 2)
    long = (37 if zeroing else 38) + STREAM * (elements - 3)
    return np.where(elements == 0, 0, np.where(elements < 3, short, long) - 7)


def amp_nx1(
    rows: Ints, width: Ints, kernel: tuple[Counts, int], groups: Groups, tile: VertexUnits, height: int
) -> Ints:
    """Cycles of the vertex for kernels of rows x columns, over `rows` rows of `width` elements.

    `height` rows of the kernel share the weights of a unit: 1, 2 or 4 for 16, 8 or 4 input channels in a group.
    """
    passes = groups.width // tile.units.units
    outer, inner = -(-kernel[0] // height), kernel[1]
    load = tile.weight_load + {1: 15, 2: 46, 4: 60}[height] + 3
    stream = by_shape(rows, width, lambda r, w: _stream_nx1(r, w, tile.workers))
    each = outer * (14 + inner * (12 + passes * (load + stream)))
    zeroing = (ceil_div(ceil_div(rows * width * groups.width, tile.workers), 2) + 5) * tile.workers
    zeroing = zeroing * groups.outputs * groups.convolutions
    once = 109 + 18 * tile.workers + groups.convolutions * (23 * groups.outputs - 5) + 6 * (groups.convolutions - 1) + 1
    loops = groups.convolutions * (16 + groups.inputs * (14 + groups.outputs * (14 + each)))
    return np.asarray(zeroing + once + loops)


@lru_cache(MOST_SHAPES)
def _stream_nx1(rows: int, width: int, workers: int) -> int:
    each = [
        workers * (17 + sum(count * _run_nx1(run) for run, count in runs)) for runs in worker_runs(rows, width, workers)
    ]
    return max(*each, min(each) + 9)


def _run_nx1(elements: int) -> int:
    """Instructions of a worker for elements in a row."""
    return {1: 29, 2: 34}.get(elements, 34 + STREAM * (elements - 3)) - 6


def worker_runs(rows: int, width: int, workers: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Runs of elements in a row that each worker takes, with counts: rows are cut into equal parts over workers."""
    cuts = workers // gcd(workers, rows)
    parts = rows * cuts
    return tuple(_runs(w * parts // workers, (w + 1) * parts // workers, cuts, width) for w in range(workers))


def _runs(first: int, end: int, cuts: int, width: int) -> tuple[tuple[int, int], ...]:
    """Lengths and counts of the runs between two parts of rows: the end of a row, whole rows, the start of a row."""
    (above, start), (below, stop) = divmod(first, cuts), divmod(end, cuts)
    if above == below:
        runs = [(stop * width // cuts - start * width // cuts, 1)]
    else:
        head = [(width - start * width // cuts, 1)] if start else []
        runs = [*head, (width, below - above - len(head)), (stop * width // cuts, 1)]
    return tuple((run, count) for run, count in runs if run and count)


def by_shape(rows: Ints, width: Ints, cycles: Callable[[int, int], int]) -> Ints:
    """A function of rows and width for each pair of an array, called once for each that is different."""
    stride = int(width.max()) + 1
    pairs = rows * stride + width
    if pairs.max() > MOST_PAIRS:
        different, where = np.unique(pairs, return_inverse=True)
        return np.array([cycles(*divmod(int(pair), stride)) for pair in different], np.int64)[where]
    table = np.zeros(int(pairs.max()) + 1, np.int64)
    table[pairs] = 1
    for pair in np.flatnonzero(table):
        table[pair] = cycles(*divmod(int(pair), stride))
    return table[pairs]
