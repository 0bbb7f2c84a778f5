"""Cycles of the vertices for few channels in a group: short-length convolution (SLIC) and vertical multiply-add (VMAC).

As `vertices`, from the cycle estimators of poplibs; sums are in float32.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from itc_tile.layers.vertices import MOST_SHAPES, Counts, Ints, by_shape, worker_runs

#: Columns of a kernel that the units hold at a time.
WINDOW = 4
#: Cycles to load the 16 words of weights, by input channels in a group; narrow groups are rearranged by the workers.
SLIC_LOADS = {4: 34, 2: 109, 1: 97}


def slic(
    rows: Ints, width: Ints, kernel: tuple[Counts, int], blocks: Counts, channels: int, stride: int, workers: int
) -> Ints:
    """Cycles for `blocks` blocks of four channels, over `rows` rows of `width` elements, `stride` 1 or 2."""
    windows = -(-kernel[1] // WINDOW) * kernel[0]
    first = by_shape(rows, width, lambda r, w: _slic_workers(r, w, True, stride, workers))
    later = by_shape(rows, width, lambda r, w: _slic_workers(r, w, False, stride, workers))
    loads = (SLIC_LOADS[channels] + 20) * windows + 6 * (windows - 1) + 1
    return np.asarray(28 + 15 * blocks + 6 * (blocks - 1) + 1 + loads + blocks * (first + (windows - 1) * later))


@lru_cache(MOST_SHAPES)
def _slic_workers(rows: int, width: int, zeroing: bool, stride: int, workers: int) -> int:
    runs = worker_runs(rows, width, workers)
    each = (17 + sum(count * (11 + zeroing + 2 * _slic_run(run, zeroing, stride)) for run, count in of) for of in runs)
    return workers * max(each)


def _slic_run(elements: int, zeroing: bool, stride: int) -> int:
    """Instructions of a worker for one pass over elements in a row."""
    if stride == 2:
        return {1: 13, 2: 15}.get(elements, 15 + 2 * (elements - 3))
    if elements >= 5:
        return 10 + elements
    if zeroing:
        return 13 + (elements if elements > 1 else 0)
    return 13 if elements == 1 else 17 + elements


def vmac(places: Ints, kernel: tuple[Counts, int], inputs: Counts, blocks: Counts, workers: int) -> Ints:
    """Cycles for `blocks` blocks of four groups with one output channel each, over `places` elements."""
    cuts = workers // np.gcd(workers, places)
    whole, part = np.divmod(places * cuts // workers, cuts)
    narrow = _dot(-(-kernel[1] // cuts))
    stream = workers * (19 + kernel[0] * (whole * _dot(np.asarray(kernel[1])) + part * narrow))
    zeroing = 4 + -(-places // 2)
    reduction = 9 + (9 + 2 * (workers - 1)) * -(-places // workers) // 4
    return np.asarray(76 + blocks * (zeroing + 32 + inputs * (24 + stream) + reduction))


def _dot(taps: Ints) -> Ints:
    """Instructions for one element and a row of the kernel."""
    return 15 + 2 * (taps - 1)
