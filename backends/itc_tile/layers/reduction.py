"""Reduction of partial sums over tiles and the cast of results: cycles, bytes exchanged and temporaries, by depth.

A reduction of many partials has several stages, so that no tile receives from too many others. As in poplibs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from itc_tile.layers.vertices import Ints, ceil_div

SUM_BYTES = 4


@dataclass(frozen=True)
class Reduction:
    """Of the fullest tile: cycles of its vertices, bytes received after the first stage, bytes held, and stages."""

    cycles: Ints
    received: Ints
    held: Ints
    stages: Ints


def reduction(partials: Ints, depth: Ints, workers: int) -> Reduction:
    """The reduction of `partials` sums a tile over `depth` tiles to operands; a depth of one is a cast."""
    single = depth == 1
    cycles = np.where(single, cast_cycles(partials, workers), 0)
    received, held, stages = (np.zeros_like(partials) for _ in range(3))
    for value in np.unique(depth[~single]):
        here = depth == value
        cycles[here], received[here], held[here] = _of_depth(partials[here], int(value), workers)
        stages[here] = len(reduction_stages(int(value)))
    return Reduction(cycles, received, held, stages)


def cast_cycles(elements: Ints, workers: int) -> Ints:
    """Cycles to convert sums to operands, two at a time."""
    return workers * (ceil_div(ceil_div(elements, workers), 2) + 26)


def _of_depth(partials: Ints, depth: int, workers: int) -> tuple[Ints, Ints, Ints]:
    size = -(-partials // depth) * depth
    held, message = size * SUM_BYTES, partials
    cycles, received = np.zeros_like(partials), np.zeros_like(partials)
    for stage, (over, left) in enumerate(reduction_stages(depth)):
        if stage:
            received += message * SUM_BYTES
        message, size = -(-message // over), -(-size // over)
        cycles += _stage_cycles(size, over, left > 1, workers)
    return cycles, received, held


def _stage_cycles(results: Ints, depth: int, wide: bool, workers: int) -> Ints:
    """Cycles of one stage; multiples of four results take the vertex with a single input."""
    vectors = results // 4
    aligned = workers * (20 + (2 * (depth - 1) + (8 if wide else 7)) * -(-vectors // workers)) + 33
    loops = vectors + (results & 1) + (results >> 1 & 1)
    rest = np.where(loops % workers != 0, 2 * depth + 13, 0)
    general = workers * (32 + rest + (3 * depth + (7 if wide else 6)) * (loops // workers))
    return np.where(results % 4 == 0, aligned, general)


@lru_cache(4096)
def reduction_stages(depth: int) -> tuple[tuple[int, int], ...]:
    """For each stage the partials that it adds, and the depth that is left."""
    count = 3 if depth >= 125 else 2 if depth >= 16 else 1
    stages, left = [], depth
    for target in (*_depths(depth, count)[0], 1):
        if left > 1:
            over = -(-left // target)
            left = -(-left // over)
            stages.append((over, left))
    return tuple(stages)


def _depths(depth: int, count: int) -> tuple[tuple[int, ...], float]:
    """Depths that are left after all stages but the last, and messages received on average: the fewest."""
    if count == 1:
        return (), float(depth)
    below = int(depth ** ((count - 1) / count))
    plans = []
    for target in (below, below + 1):
        rest, messages = _depths(target, count - 1)
        plans.append(((target, *rest), messages + depth / target))
    return plans[0] if plans[0][1] < plans[1][1] else plans[1]
