"""Placement: numbers of tiles go in, tiles come out, so that kernels that follow each other are neighbours.

Tiles are numbered row by row on the grid. Kernels take them along a serpentine in bands of a few rows, as wide as a
kernel's region is on average: a region is then about square, and its data crosses few links on the way to the next.
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


def settled(machine: Machine, source: Ints, target: Ints, amounts: Ints, rounds: int = 30) -> Ints:
    """For each tile the tile that takes over what it does, so that the fullest link carries less of the traffic.

    Every tile's work moves halfway to the centre of those it exchanges with, by bytes; then columns and rows are dealt
    out anew in the order of where it stands. The best of all rounds is taken, or all stays where it is.
    """
    assert machine.grid is not None
    best = tiles = np.arange(machine.tiles)
    fullest = link_loads(machine, source, target, amounts).max(initial=0)
    for _ in range(rounds):
        tiles = _dealt(machine.grid, [_drawn(at, source, target, amounts) for at in positions(machine, tiles)])
        load = link_loads(machine, tiles[source], tiles[target], amounts).max(initial=0)
        best, fullest = (tiles, load) if load < fullest else (best, fullest)
    return best


def _drawn(at: Ints, source: Ints, target: Ints, amounts: Ints) -> NDArray[np.float64]:
    """Halfway between each tile's place along one axis and the centre of those it exchanges with."""
    count = len(at)
    total = np.bincount(source, amounts, count) + np.bincount(target, amounts, count)
    pull = np.bincount(source, amounts * at[target], count) + np.bincount(target, amounts * at[source], count)
    return np.asarray((at + np.where(total > 0, pull / np.maximum(total, 1), at)) / 2)


def _dealt(grid: tuple[int, int], drawn: list[NDArray[np.float64]]) -> Ints:
    """Tiles in the order of places that may be anywhere: equal numbers for each column, from left to right and down."""
    rows, columns = grid
    column, row = np.empty((2, rows * columns), np.int64)
    column[np.argsort(drawn[1], kind="stable")] = np.arange(rows * columns) // rows
    row[np.lexsort((drawn[0], column))] = np.arange(rows * columns) % rows
    return np.asarray(row * columns + column)
