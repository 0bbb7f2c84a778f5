"""Placement: numbers of tiles in, tiles out; consecutive kernels are neighbours.

Tiles are numbered row by row on the grid. Kernels take them along a serpentine in bands of a few rows, as wide as an
average kernel, so that the area of a kernel is about square and routes to the next kernel are short.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from itc_tile.machine.model import Machine
from itc_tile.machine.network import link_loads, positions

Ints = NDArray[np.int64]


def place(counts: Sequence[int], machine: Machine) -> list[Ints]:
    """Tiles for each of `counts`, in order along the serpentine; together they must be no more than the machine has."""
    assert sum(counts) <= machine.tiles, (sum(counts), machine.tiles)
    path = serpentine(machine, max(1, len(counts)))
    starts = np.cumsum([0, *counts])
    return [path[start : start + count] for start, count in zip(starts.tolist(), counts, strict=False)]


def serpentine(machine: Machine, regions: int = 1) -> Ints:
    """All tiles in the order in which they are taken, for a number of regions."""
    if machine.grid is None:
        return np.arange(machine.tiles)
    rows, columns = machine.grid
    tiles = np.arange(machine.tiles).reshape(rows, columns)
    bands = max(1, rows // max(1, isqrt(machine.tiles // regions)))
    parts = [_band(band, number) for number, band in enumerate(np.array_split(tiles, bands, axis=0))]
    return np.concatenate(parts)


def _band(tiles: Ints, number: int) -> Ints:
    """A band of rows column by column, every other column upwards, every other band leftwards."""
    columns = tiles.T.copy()
    columns[1::2] = columns[1::2, ::-1]
    return np.asarray((columns[::-1] if number % 2 else columns).reshape(-1))


def refine_placement(machine: Machine, source: Ints, target: Ints, amounts: Ints, rounds: int = 30) -> Ints:
    """Force-directed placement refinement: the new tile of each tile, so that the fullest link carries fewer bytes.

    A round moves every tile halfway to the centre of the tiles it exchanges with, weighted by bytes, and legalises the
    coordinates onto the grid. The result is the best of all rounds, or the given placement.
    """
    assert machine.grid is not None
    best = tiles = np.arange(machine.tiles)
    fullest = link_loads(machine, source, target, amounts).max(initial=0)
    for _ in range(rounds):
        tiles = _legalised(
            machine.grid,
            [_attracted(coordinates, source, target, amounts) for coordinates in positions(machine, tiles)],
        )
        load = link_loads(machine, tiles[source], tiles[target], amounts).max(initial=0)
        best, fullest = (tiles, load) if load < fullest else (best, fullest)
    return best


def _attracted(coordinates: Ints, source: Ints, target: Ints, amounts: Ints) -> NDArray[np.float64]:
    """Coordinates along one axis, halfway to the centre of the tiles that each tile exchanges with."""
    count = len(coordinates)
    total = np.bincount(source, amounts, count) + np.bincount(target, amounts, count)
    force = np.bincount(source, amounts * coordinates[target], count) + np.bincount(
        target, amounts * coordinates[source], count
    )
    return np.asarray((coordinates + np.where(total > 0, force / np.maximum(total, 1), coordinates)) / 2)


def _legalised(grid: tuple[int, int], attracted: list[NDArray[np.float64]]) -> Ints:
    """Legalises coordinates onto the grid: equal numbers of tiles in each column by column order, then by row order."""
    rows, columns = grid
    column, row = np.empty((2, rows * columns), np.int64)
    column[np.argsort(attracted[1], kind="stable")] = np.arange(rows * columns) // rows
    row[np.lexsort((attracted[0], column))] = np.arange(rows * columns) % rows
    return np.asarray(row * columns + column)
