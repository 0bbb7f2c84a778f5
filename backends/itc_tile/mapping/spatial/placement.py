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


def hops(machine: Machine, source: Ints, target: Ints) -> Ints:
    """Links between tiles, element by element; none where every tile reaches every other."""
    if machine.grid is None or machine.exchange.network == "all-to-all":
        return np.zeros(np.broadcast_shapes(source.shape, target.shape), np.int64)
    down, across = (
        _distance(a, b, size, machine.exchange.network == "torus")
        for a, b, size in zip(_at(machine, source), _at(machine, target), machine.grid, strict=True)
    )
    return down + across


def _distance(a: Ints, b: Ints, size: int, wraps: bool) -> Ints:
    apart = np.abs(a - b)
    return np.asarray(np.minimum(apart, size - apart) if wraps else apart)


def _at(machine: Machine, tiles: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of tiles."""
    assert machine.grid is not None
    return tiles // machine.grid[1], tiles % machine.grid[1]


def link_loads(machine: Machine, source: Ints, target: Ints, amounts: Ints) -> Ints:
    """Bytes over each link [direction, row, column] when `amounts` go from `source` to `target` tiles.

    Routes go along the row first, then along the column. The directions are east, west, south and north, and a link is
    counted at the tile that it leaves. On a torus a route takes the shorter way round.
    """
    assert machine.grid is not None
    rows, columns = machine.grid
    (row, column), (to_row, to_column) = _at(machine, source), _at(machine, target)
    wraps = machine.exchange.network == "torus"
    loads = np.zeros((4, rows, columns), np.int64)
    loads[0], loads[1] = _along(row, column, to_column, amounts, (rows, columns), wraps)
    south, north = _along(to_column, row, to_row, amounts, (columns, rows), wraps)
    loads[2], loads[3] = south.T, north.T
    return loads


def _along(
    line: Ints, start: Ints, stop: Ints, amounts: Ints, shape: tuple[int, int], wraps: bool
) -> tuple[Ints, Ints]:
    """Loads of the links up and down along parallel lines [lines, places]."""
    size = shape[1]
    ahead = (stop - start) % size if wraps else stop - start
    up = (ahead > 0) & (2 * ahead <= size) if wraps else ahead > 0
    down = (ahead != 0) & ~up
    forward = _covered(line[up], start[up], stop[up], amounts[up], shape)
    backward = _covered(line[down], stop[down] + 1, start[down] + 1, amounts[down], shape)
    return forward, backward


def settled(machine: Machine, source: Ints, target: Ints, amounts: Ints, rounds: int = 30) -> Ints:
    """For each tile the tile that takes over what it does, so that the fullest link carries less of the traffic.

    Every tile's work moves halfway to the centre of those it exchanges with, by bytes; then columns and rows are dealt
    out anew in the order of where it stands. The best of all rounds is taken, or all stays where it is.
    """
    assert machine.grid is not None
    best = tiles = np.arange(machine.tiles)
    fullest = link_loads(machine, source, target, amounts).max(initial=0)
    for _ in range(rounds):
        tiles = _dealt(machine.grid, [_drawn(at, source, target, amounts) for at in _at(machine, tiles)])
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


def _covered(line: Ints, first: Ints, end: Ints, amounts: Ints, shape: tuple[int, int]) -> Ints:
    """Sums of amounts over the places `first` up to `end` of each line; round its end where `end` is less."""
    lines, size = shape
    changes = np.zeros((lines, size + 1), np.int64)
    first, end = first % size, np.where(end > size, end - size, end)
    np.add.at(changes, (line, first), amounts)
    np.add.at(changes, (line, end), -amounts)
    around = end <= first
    whole = np.bincount(line[around], amounts[around], lines).astype(np.int64)
    changes[:, 0] += whole
    changes[:, size] -= whole
    return np.asarray(np.cumsum(changes, axis=1)[:, :size])
