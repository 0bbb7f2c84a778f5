"""Tiles along critical paths: cycles of each kernel by its tiles in, an allocation of the machine and a bound out.

The latency of an output is the longest path to it. For executions of each kernel that are a mean of those on several
paths, their sum of cycles is a lower bound of the longest path, whatever the tiles. With convex hulls of the cycles
over the tiles, its minimum takes the steps of most cycles saved for each tile, in order. Bound and allocation become
better with the mean over the paths that are longest in turn: fictitious play of the allocation against the path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import floor

import numpy as np
from numpy.typing import NDArray

from itc_tile.kernels.critical import CriticalPath
from itc_tile.tiling.sets import Ints

ROUNDS = 32
Weights = NDArray[np.float64]
Path = Callable[[Mapping[str, int]], CriticalPath]


@dataclass(frozen=True, eq=False)
class Front:
    """For one kernel, tiles [n] ascending and cycles [n] descending of an execution, of which it takes one pair.

    `chosen` are the pairs' positions among those that the front was made of.
    """

    label: str
    tiles: Ints
    cycles: Ints
    chosen: Ints

    @cached_property
    def hull(self) -> Ints:
        """Positions of the lower convex hull, the first and the last among them."""
        kept: list[int] = []
        for position, (tiles, cycles) in enumerate(zip(self.tiles.tolist(), self.cycles.tolist(), strict=True)):
            while len(kept) > 1 and self._above(kept[-2], kept[-1], tiles, cycles):
                kept.pop()
            kept.append(position)
        return np.array(kept)

    def _above(self, first: int, middle: int, tiles: int, cycles: int) -> bool:
        """Whether a point lies on or above the line from one before it to one behind it."""
        start, run = int(self.tiles[first]), int(self.tiles[middle]) - int(self.tiles[first])
        rise = int(self.cycles[middle]) - int(self.cycles[first])
        return rise * (tiles - start) >= (cycles - int(self.cycles[first])) * run


def front(label: str, tiles: Ints, cycles: Ints) -> Front:
    """The Pareto-optimal pairs of tiles, ascending, and cycles."""
    best = np.minimum.accumulate(np.append(np.iinfo(np.int64).max, cycles))[:-1]
    better = np.flatnonzero(cycles < best)
    fastest = better[np.append(np.diff(tiles[better]) > 0, [True] * bool(len(better))).astype(bool)]
    return Front(label, tiles[fastest], cycles[fastest], fastest)


@dataclass(frozen=True)
class Allocation:
    """A position in each front, by label, with the length of the path, and a lower bound over all allocations."""

    positions: Mapping[str, int]
    cycles: int
    bound: int


class Allocator:
    """Allocates a number of tiles to kernels so that a path becomes short."""

    def __init__(self, fronts: Sequence[Front], tiles: int) -> None:
        self.fronts = fronts
        self.spare = tiles - sum(int(each.tiles[0]) for each in fronts)
        hulls = [(each.tiles[each.hull], each.cycles[each.hull]) for each in fronts]
        self.kernel = np.repeat(np.arange(len(fronts)), [len(tiles) - 1 for tiles, _ in hulls])
        self.extra = np.concatenate([np.diff(tiles) for tiles, _ in hulls])
        self.slope = np.concatenate([-np.diff(cycles) / np.diff(tiles) for tiles, cycles in hulls])

    @property
    def feasible(self) -> bool:
        return self.spare >= 0

    def allocate(self, path: Path, rounds: int = ROUNDS) -> Allocation:
        """The best allocation of some rounds, and the best of their bounds."""
        positions = [0] * len(self.fronts)
        weights: Weights = self._executions(path(self.cycles([len(each.tiles) - 1 for each in self.fronts])))
        best, shortest, bound = positions, path(self.cycles(positions)).cycles, 0.0
        for number in range(1, rounds + 1):
            positions, relaxed = self._minimum(weights)
            self._fill(positions, weights)
            found = path(self.cycles(positions))
            best, shortest = (positions, found.cycles) if found.cycles < shortest else (best, shortest)
            bound = max(bound, relaxed)
            if bound >= shortest - 1:
                break
            weights = weights + (self._executions(found) - weights) / (number + 1)
        labels = [each.label for each in self.fronts]
        return Allocation(dict(zip(labels, best, strict=True)), shortest, min(floor(bound + 1e-6), shortest))

    def bound(self, executions: Mapping[str, int]) -> int:
        """A lower bound of a path that executes each kernel so often, whatever the allocation."""
        return floor(self._minimum(self._executions(CriticalPath(0, executions)))[1] + 1e-6)

    def cycles(self, positions: Sequence[int]) -> dict[str, int]:
        return {each.label: int(each.cycles[position]) for each, position in zip(self.fronts, positions, strict=True)}

    def _executions(self, path: CriticalPath) -> Weights:
        return np.array([path.executions.get(each.label, 0) for each in self.fronts], np.float64)

    def _minimum(self, weights: Weights) -> tuple[list[int], float]:
        """Positions on hulls of the least weighted sum of cycles, and the sum with part of the next step besides."""
        gain = self.slope * weights[self.kernel]
        order = np.argsort(-gain, kind="stable")
        order = order[gain[order] > 0]
        needed = np.cumsum(self.extra[order])
        count = int(np.searchsorted(needed, self.spare, side="right"))
        steps = np.bincount(self.kernel[order[:count]], minlength=len(self.fronts))
        positions = [int(each.hull[step]) for each, step in zip(self.fronts, steps.tolist(), strict=True)]
        cycles = [float(each.cycles[position]) for each, position in zip(self.fronts, positions, strict=True)]
        value = float(weights @ np.array(cycles))
        if count < len(order):
            left = self.spare - (int(needed[count - 1]) if count else 0)
            value -= float(gain[order[count]]) * left
        return positions, value

    def _fill(self, positions: list[int], weights: Weights) -> None:
        """Gives the tiles that are left to single kernels, largest gains first."""
        held = [int(each.tiles[position]) for each, position in zip(self.fronts, positions, strict=True)]
        spare = self.spare + sum(int(each.tiles[0]) for each in self.fronts) - sum(held)
        while spare > 0:
            gains = []
            for kernel in np.flatnonzero(weights > 0).tolist():
                each, position = self.fronts[kernel], positions[kernel]
                most = int(np.searchsorted(each.tiles, held[kernel] + spare, side="right")) - 1
                gains.append((weights[kernel] * int(each.cycles[position] - each.cycles[most]), kernel, most))
            gain, kernel, most = max(gains, default=(0, 0, 0))
            if gain <= 0:
                return
            spare -= int(self.fronts[kernel].tiles[most]) - held[kernel]
            positions[kernel], held[kernel] = most, int(self.fronts[kernel].tiles[most])
