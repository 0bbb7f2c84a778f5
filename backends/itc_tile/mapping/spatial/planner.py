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

from itc_tile.cost.candidates import Candidates, candidates
from itc_tile.cost.cycles import check_units
from itc_tile.cost.memory import INPUTS, OUTPUT, kernel_memory, total
from itc_tile.kernels.graph import KernelGraph, Residency
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import Machine
from itc_tile.program.program import regions
from itc_tile.tiling.partition import Split
from itc_tile.tiling.sets import Ints


@dataclass(frozen=True)
class KernelCandidates:
    """A kernel instance with its candidate splits, its executions, and what its tiles keep.

    `executions_per_replica` are those of one replica for one image. `readers` are the kernels that read its
    result, once for each operand, and `transfer_executions` the most executions per replica of the kernel and these.
    """

    instance: KernelInstance
    executions_per_replica: int
    readers: tuple[KernelInstance, ...]
    transfer_executions: int
    residency: Residency
    candidates: Candidates

    @property
    def label(self) -> str:
        return self.instance.label

    @cached_property
    def replicas(self) -> int:
        return self.instance.replicas

    @property
    def latency(self) -> Ints:
        """Cycles of an image in this kernel, by candidate: receiving, computing, and sending to all readers."""
        running = (self.candidates.receive + self.candidates.compute) * self.instance.executions
        return running + self.candidates.send * sum(reader.executions for reader in self.readers)

    @property
    def initiation_interval(self) -> Ints:
        """Minimum cycles between two images, by candidate: executions on the tiles, and transfers of the result."""
        running = (self.candidates.receive + self.candidates.compute) * self.executions_per_replica
        return np.asarray(np.maximum(running, self.candidates.send * len(self.readers) * self.transfer_executions))

    def memory(self, buffering: float) -> Ints:
        """Bytes of the fullest tile, by candidate, with `buffering` times its inputs and result beside."""
        return np.asarray(self.candidates.memory + np.ceil(buffering * self.candidates.buffered).astype(np.int64))

    def exact_memory(self, index: int, machine: Machine, buffering: float) -> int:
        """The same for one candidate, over all of its shards."""
        shard_regions = regions(self.instance, self.candidates.split(index))
        memory = kernel_memory(self.instance.kernel, shard_regions, self.residency, machine)
        beside = np.ceil(buffering * (memory[INPUTS] + memory[OUTPUT])).astype(np.int64)
        return int((total(memory) + beside).max())


def kernel_candidates(graph: KernelGraph, machine: Machine) -> list[KernelCandidates]:
    """The kernels of a graph with all their candidates, in text order."""
    executions = graph.replica_executions
    out = []
    for label, instance in graph.instances.items():
        check_units(instance.kernel, machine, instance.apply.span)
        consumers, residency = graph.consumers[label], graph.residency[label]
        most = max([executions[label], *(executions[consumer] for consumer in consumers)])
        splits = candidates(instance.kernel, residency, machine)
        readers = tuple(graph.instances[consumer] for consumer in consumers)
        out.append(KernelCandidates(instance, executions[label], readers, most, residency, splits))
    return out


@dataclass
class _Choice:
    """The feasible Pareto-optimal candidates of a kernel, fewest tiles first, and the position of the chosen one."""

    kernel: KernelCandidates
    indices: Ints
    buffering: float
    position: int = 0
    max_interval: float = np.inf

    def __post_init__(self) -> None:
        self.shards = self.kernel.candidates.shards[self.indices]
        self.latency = self.kernel.latency[self.indices]
        self.interval = self.kernel.initiation_interval[self.indices]

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

    def fewest_tiles(self, interval: float) -> int | None:
        """Position of the candidate of fewest tiles that meets an initiation interval."""
        meets = np.flatnonzero(self.interval <= interval)
        return int(meets[0]) if len(meets) else None

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
) -> dict[str, Split] | None:
    """A split of each kernel, by label, whose tiles hold at most `memory` bytes; None where that is infeasible.

    `buffering` is the factor for some kernels, by label: memory left free on a tile, as a multiple of its inputs and
    result. An interval of `relaxation` times the minimum leaves tiles to reduce the latency of an image.
    """
    refused: dict[str, set[int]] = {}
    buffering = buffering or {}
    while True:
        choices = [_choice(k, memory, refused.get(k.label, set()), buffering.get(k.label, 0.0)) for k in kernels]
        if not all(len(choice.indices) for choice in choices) or _tiles(choices) > machine.tiles:
            return None
        _minimise_interval(choices, machine.tiles, relaxation)
        _spend_spare_tiles(choices, machine.tiles)
        overfull = _overfull(choices, machine, memory)
        if not overfull:
            return {choice.label: choice.kernel.candidates.split(choice.index) for choice in choices}
        for choice in overfull:
            refused.setdefault(choice.label, set()).add(choice.index)


def _choice(kernel: KernelCandidates, memory: int, refused: set[int], buffering: float) -> _Choice:
    """The candidates that fit, without those that a candidate of no more tiles dominates."""
    fits = np.flatnonzero(kernel.memory(buffering) <= memory)
    fits = fits[~np.isin(fits, list(refused))]
    latency, interval = kernel.latency[fits], kernel.initiation_interval[fits]
    order = np.lexsort((latency + interval, kernel.candidates.shards[fits]))
    better = _new_minima(latency[order]) | _new_minima(interval[order])
    return _Choice(kernel, fits[order][better], buffering)


def _new_minima(numbers: Ints) -> NDArray[np.bool_]:
    """Which numbers are less than all before them."""
    before = np.minimum.accumulate(np.concatenate([[np.iinfo(np.int64).max], numbers]))[:-1]
    return np.asarray(numbers < before)


def _tiles(choices: Sequence[_Choice]) -> int:
    return sum(choice.tiles for choice in choices)


def _minimise_interval(choices: Sequence[_Choice], tiles: int, relaxation: float) -> None:
    """Sets every choice to the fewest tiles that meet `relaxation` times the minimum feasible initiation interval."""
    intervals = np.unique(np.concatenate([choice.interval for choice in choices]))
    low, high = 0, len(intervals) - 1  # the longest interval needs the fewest tiles, which the machine has
    while low < high:
        middle = (low + high) // 2
        feasible = _tiles_needed(choices, float(intervals[middle])) <= tiles
        low, high = (low, middle) if feasible else (middle + 1, high)
    interval = float(intervals[high]) * relaxation
    for choice in choices:
        position = choice.fewest_tiles(interval)
        assert position is not None
        choice.position, choice.max_interval = position, interval


def _tiles_needed(choices: Sequence[_Choice], interval: float) -> float:
    """Tiles that meet an initiation interval."""
    total = 0
    for choice in choices:
        position = choice.fewest_tiles(interval)
        if position is None:
            return np.inf
        total += choice.kernel.replicas * int(choice.shards[position])
    return total


def _spend_spare_tiles(choices: Sequence[_Choice], tiles: int) -> None:
    """Greedy: takes the step of the best latency reduction per tile, and skips steps that need more than are spare."""
    spare = tiles - _tiles(choices)
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


def _overfull(choices: Sequence[_Choice], machine: Machine, memory: int) -> list[_Choice]:
    """Choices whose fullest tile, over all shards, exceeds the memory though the estimate of one shard fits."""
    return [
        choice for choice in choices if choice.kernel.exact_memory(choice.index, machine, choice.buffering) > memory
    ]
