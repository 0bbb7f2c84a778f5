"""Routes between tiles: hops of a path, and the load of every link of a mesh or torus (row first, then column)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from itc_tile.machine.model import Machine

Ints = NDArray[np.int64]


def hops(machine: Machine, source: Ints, target: Ints) -> Ints:
    """Links between tiles, element by element; zero on an all-to-all network."""
    if machine.grid is None or machine.exchange.network == "all-to-all":
        return np.zeros(np.broadcast_shapes(source.shape, target.shape), np.int64)
    down, across = (
        _distance(a, b, size, machine.exchange.network == "torus")
        for a, b, size in zip(positions(machine, source), positions(machine, target), machine.grid, strict=True)
    )
    return down + across


def _distance(a: Ints, b: Ints, size: int, wraps: bool) -> Ints:
    apart = np.abs(a - b)
    return np.asarray(np.minimum(apart, size - apart) if wraps else apart)


def positions(machine: Machine, tiles: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of tiles on the grid."""
    assert machine.grid is not None
    return tiles // machine.grid[1], tiles % machine.grid[1]


def link_loads(machine: Machine, source: Ints, target: Ints, amounts: Ints) -> Ints:
    """Bytes over each link [direction, row, column] when `amounts` go from `source` to `target` tiles.

    Routes go along the row first, then along the column. The directions are east, west, south and north, and a link is
    counted at the tile that it leaves. On a torus a route takes the shorter way round.
    """
    assert machine.grid is not None
    rows, columns = machine.grid
    (row, column), (to_row, to_column) = positions(machine, source), positions(machine, target)
    wraps = machine.exchange.network == "torus"
    loads = np.zeros((4, rows, columns), np.int64)
    down, across = (
        slice(0, n) if wraps else _between(*ends) for n, *ends in ((rows, row, to_row), (columns, column, to_column))
    )
    row, to_row, column, to_column = (
        row - down.start,
        to_row - down.start,
        column - across.start,
        to_column - across.start,
    )
    used = loads[:, down, across]
    shape = used.shape[1:]
    used[0], used[1] = _along(row, column, to_column, amounts, shape, wraps)
    south, north = _along(to_column, row, to_row, amounts, shape[::-1], wraps)
    used[2], used[3] = south.T, north.T
    return loads


def _between(start: Ints, stop: Ints) -> slice:
    """The positions along an axis that routes of a mesh can touch."""
    if not len(start):
        return slice(0, 1)
    return slice(int(min(start.min(), stop.min())), int(max(start.max(), stop.max())) + 1)


def _along(
    line: Ints, start: Ints, stop: Ints, amounts: Ints, shape: tuple[int, ...], wraps: bool
) -> tuple[Ints, Ints]:
    """Loads of the links up and down along parallel lines [lines, positions]."""
    size = shape[1]
    ahead = (stop - start) % size if wraps else stop - start
    up = (ahead > 0) & (2 * ahead <= size) if wraps else ahead > 0
    down = (ahead != 0) & ~up
    forward = _covered(line[up], start[up], stop[up], amounts[up], shape)
    backward = _covered(line[down], stop[down] + 1, start[down] + 1, amounts[down], shape)
    return forward, backward


def _covered(line: Ints, first: Ints, end: Ints, amounts: Ints, shape: tuple[int, ...]) -> Ints:
    """Sums of amounts over the positions `first` up to `end` of each line; round its end where `end` is less."""
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
