"""Ways to split a layer over the tiles: as many parts of each axis as give different sizes, all combinations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from itc_tile.layers.layer import Layer
from itc_tile.layers.vertices import Ints, ceil_div

#: A plan uses at least one in so many tiles, where the layer has so many parts.
LEAST_SHARE = 2
#: Combinations of splits that are weighed at once, at most; beyond these, every other split of an axis is left out.
MOST_COMBINATIONS = 300_000
AXES = ("groups", "batch", "outputs", "inputs", "rows", "columns", "taps")


@dataclass(frozen=True)
class Grains:
    """Channels and groups that a vertex takes at once."""

    inputs: int
    outputs: int
    groups: int = 1


@dataclass(frozen=True)
class Splits:
    """Parts of each axis for each candidate; `taps` are rows of the kernel."""

    groups: Ints
    batch: Ints
    outputs: Ints
    inputs: Ints
    rows: Ints
    columns: Ints
    taps: Ints

    @property
    def used(self) -> Ints:
        """Tiles that have a part."""
        spatial = self.rows * self.columns * self.batch
        return spatial * self.groups * self.outputs * self.inputs * self.taps

    @property
    def depth(self) -> Ints:
        """Tiles whose partial sums are added to one result."""
        return self.inputs * self.taps


def splits(layer: Layer, grains: Grains, serial: tuple[int, int], tiles: int) -> Splits:
    """All splits over at most `tiles` tiles; `serial` are parts of output and input channels taken one by one."""
    sizes = {
        "groups": -(-layer.groups // grains.groups),
        "batch": layer.batch,
        "outputs": ceil_div(ceil_div(layer.outputs, serial[0]), grains.outputs),
        "inputs": ceil_div(ceil_div(layer.inputs, serial[1]), grains.inputs),
        "rows": layer.result[0],
        "columns": layer.result[1],
        "taps": layer.kernel[0],
    }
    least = min(tiles // LEAST_SHARE, _parts(sizes.values(), tiles))
    return Splits(**_combinations(sorted(sizes.items(), key=lambda item: item[1]), tiles, least))


def _parts(sizes: Iterable[int], most: int) -> int:
    """Parts of a layer that is split as far as it goes."""
    parts = 1
    for size in sizes:
        parts = min(parts * size, most)
    return parts


def _combinations(sizes: list[tuple[str, int]], tiles: int, least: int) -> dict[str, Ints]:
    columns: dict[str, Ints] = {}
    product = np.ones(1, np.int64)
    for index, (name, size) in enumerate(sizes):
        further = _parts((rest for _, rest in sizes[index + 1 :]), tiles)
        counts = _thinned(part_counts(size, tiles), len(product))
        products = product[:, None] * counts
        before, chosen = np.nonzero((products <= tiles) & (products * further >= least))
        columns = {axis: values[before] for axis, values in columns.items()} | {name: counts[chosen]}
        product = products[before, chosen]
    return columns


def _thinned(counts: Ints, combinations: int) -> Ints:
    """Few enough counts to be combined; the first and the last are kept."""
    while len(counts) > 2 and len(counts) * combinations > MOST_COMBINATIONS:
        counts = np.union1d(counts[::2], counts[-1:])
    return counts


@lru_cache(4096)
def part_counts(size: int, most: int) -> Ints:
    """For each size that parts of an axis can have, the fewest parts that give it."""
    counts = np.arange(1, min(size, most) + 1)
    parts = -(-size // counts)
    return np.asarray(counts[np.concatenate([[True], parts[1:] != parts[:-1]])])
