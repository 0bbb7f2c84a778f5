"""Tiling of a spatial mapping: a kernel graph and a machine in, a split of each kernel out.

Every kernel owns its tiles, so images are pipelined through the machine, and the slowest kernel sets the initiation
interval. Bisection over the intervals that occur finds the minimum for which the fewest tiles that meet it have the
memory. Spare tiles go, one step after the other, where they reduce the latency of an image most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from itc_tile.machine.model import Machine
from itc_tile.mapping.spatial.kernels import KernelCandidates
from itc_tile.tiling.partition import Split
from itc_tile.tiling.sets import Ints


@dataclass
class _Choice:
    """The feasible Pareto-optimal candidates of a kernel, fewest tiles first, and the position of the chosen one."""

    kernel: KernelCandidates
    indices: Ints
    buffering: float
    overlapped: bool
    position: int = 0
    max_interval: float = np.inf

    def __post_init__(self) -> None:
        self.shards = self.kernel.candidates.shards[self.indices]
        self.latency = self.kernel.latency[self.indices]
        self.interval = self.kernel.interval(self.overlapped)[self.indices]

    @property
    def label(self) -> str:
        return self.kernel.label

    @property
    def index(self) -> int:
        """The chosen candidate's index among all of the kernel."""
        return int(self.indices[self.position])

    @property
    def tiles(self) -> int:
        return self.kernel.replicas * int(self.shards[self.position])

    @cached_property
    def interval_minima(self) -> Ints:
        """Positions of candidates with a shorter initiation interval than all of fewer tiles."""
        return np.flatnonzero(_new_minima(self.interval))

    def set_interval(self, interval: float) -> None:
        """Chooses the candidate of fewest tiles that meets an initiation interval, which one of them does."""
        minima = self.interval_minima
        self.position = int(minima[np.searchsorted(-self.interval[minima], -interval)])
        self.max_interval = interval

    def is_overfull(self, machine: Machine, memory: int) -> bool:
        """Whether the fullest tile, over all shards, exceeds the memory though the estimate of one shard fits."""
        return self.kernel.exact_memory(self.index, machine, self.buffering) > memory

    def best_step(self) -> tuple[float, int]:
        """Best latency reduction per extra tile at this initiation interval, and the position that gives it."""
        following = slice(self.position + 1, None)
        if not len(self.shards[following]):
            return 0.0, self.position
        extra = (self.shards[following] - self.shards[self.position]) * self.kernel.replicas
        saved = self.latency[self.position] - self.latency[following]
        saved = np.where(self.interval[following] <= self.max_interval, saved, 0)
        gain = saved / np.maximum(extra, 0.5)  # candidates of as many tiles may differ in interval and latency
        best = int(np.argmax(gain))
        return float(gain[best]), self.position + 1 + best


def choose(
    kernels: Sequence[KernelCandidates],
    machine: Machine,
    memory: int,
    buffering: Mapping[str, float] | None = None,
    relaxation: float = 1,
    *,
    overlapped: bool = False,
) -> dict[str, Split] | None:
    """A split of each kernel, by label, whose tiles hold at most `memory` bytes; None where that is infeasible.

    `buffering` is the factor for some kernels, by label: memory left free on a tile, as a multiple of its inputs and
    result. An interval of `relaxation` times the minimum leaves tiles to reduce the latency of an image. With
    `overlapped`, tiles receive while they compute.
    """
    buffering = buffering or {}
    choices = [_choice(kernel, memory, buffering.get(kernel.label, 0.0), overlapped) for kernel in kernels]
    while True:
        if not all(len(choice.indices) for choice in choices) or _fewest_tiles(choices) > machine.tiles:
            return None
        _minimise_interval(choices, machine.tiles, relaxation)
        _spend_spare_tiles(choices, machine.tiles)
        overfull = [choice.is_overfull(machine, memory) for choice in choices]
        if not any(overfull):
            return {choice.label: choice.kernel.candidates.split(choice.index) for choice in choices}
        for position, choice in enumerate(choices):
            if overfull[position]:  # its exact size is known by now
                choices[position] = _choice(choice.kernel, memory, choice.buffering, overlapped)


def _choice(kernel: KernelCandidates, memory: int, buffering: float, overlapped: bool) -> _Choice:
    """The candidates that fit, without those that a candidate of no more tiles dominates."""
    fits = np.flatnonzero(kernel.memory(buffering) <= memory)
    latency, interval = kernel.latency[fits], kernel.interval(overlapped)[fits]
    order = np.lexsort((latency + interval, kernel.candidates.shards[fits]))
    better = _new_minima(latency[order]) | _new_minima(interval[order])
    return _Choice(kernel, fits[order][better], buffering, overlapped)


def _new_minima(numbers: Ints) -> NDArray[np.bool_]:
    """Which numbers are less than all before them."""
    before = np.minimum.accumulate(np.concatenate([[np.iinfo(np.int64).max], numbers]))[:-1]
    return np.asarray(numbers < before)


def _fewest_tiles(choices: Sequence[_Choice]) -> int:
    return sum(choice.kernel.replicas * int(choice.shards[0]) for choice in choices)


def _minimise_interval(choices: Sequence[_Choice], tiles: int, relaxation: float) -> None:
    """Sets every choice to the fewest tiles that meet `relaxation` times the minimum feasible initiation interval.

    Below an interval of its candidates, a kernel needs the next candidate that is shorter. The fewest tiles of all
    kernels, as the interval falls, are therefore a sum of such steps.
    """
    minima = [choice.interval_minima for choice in choices]
    below = np.concatenate([choice.interval[own[:-1]] for choice, own in zip(choices, minima, strict=True)])
    extra = np.concatenate(
        [choice.kernel.replicas * np.diff(choice.shards[own]) for choice, own in zip(choices, minima, strict=True)]
    )
    order = np.argsort(-below, kind="stable")
    needed = _fewest_tiles(choices) + np.cumsum(extra[order])
    shortest = max(int(choice.interval.min()) for choice in choices)
    exceeding = np.flatnonzero(needed > tiles)
    if len(exceeding):
        shortest = max(shortest, int(below[order][exceeding[0]]))
    for choice in choices:
        choice.set_interval(shortest * relaxation)


def _spend_spare_tiles(choices: Sequence[_Choice], tiles: int) -> None:
    """Greedy: takes the step of the best latency reduction per tile, and skips steps that need more than are spare."""
    spare = tiles - sum(choice.tiles for choice in choices)
    steps = [_step(choice, order) for order, choice in enumerate(choices)]
    heapify(steps)
    order = len(steps)
    while steps:
        loss, _, position, choice = heappop(steps)
        extra = choice.kernel.replicas * int(choice.shards[position] - choice.shards[choice.position])
        if loss >= 0 or extra > spare:
            continue
        spare -= extra
        choice.position = position
        heappush(steps, _step(choice, order))
        order += 1


def _step(choice: _Choice, order: int) -> tuple[float, int, int, _Choice]:
    """The best step of a choice as an entry of a heap: the largest gain first, and of equal ones the oldest."""
    gain, position = choice.best_step()
    return -gain, order, position, choice
