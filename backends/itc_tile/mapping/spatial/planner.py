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
from itc_tile.cost.cycles import compute_units
from itc_tile.cost.memory import INPUTS, OUTPUT, kernel_memory, total
from itc_tile.kernels.graph import KernelGraph, Residency
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import Machine
from itc_tile.program.program import regions
from itc_tile.tiling.partition import Split
from itc_tile.tiling.sets import Ints, distinct_rows


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

    @cached_property
    def latency(self) -> Ints:
        """Cycles of an image in this kernel, by candidate: receiving, computing, and sending to all readers."""
        running = (self.candidates.receive + self.candidates.compute) * self.instance.executions
        return running + self.candidates.send * sum(reader.executions for reader in self.readers)

    @cached_property
    def initiation_interval(self) -> Ints:
        """Minimum cycles between two images, by candidate: executions on the tiles, and transfers of the result."""
        running = (self.candidates.receive + self.candidates.compute) * self.executions_per_replica
        return np.asarray(np.maximum(running, self.candidates.send * len(self.readers) * self.transfer_executions))

    def memory(self, buffering: float) -> Ints:
        """Bytes of the fullest tile, by candidate, with `buffering` times its inputs and result beside.

        Of one shard, or where `exact_memory` was asked for, of all.
        """
        estimates = self.candidates.memory + np.ceil(buffering * self.candidates.buffered).astype(np.int64)
        for index, (bytes, buffered) in self._exact.items():
            estimates[index] = _fullest(bytes, buffered, buffering)
        return np.asarray(estimates)

    def exact_memory(self, index: int, machine: Machine, buffering: float) -> int:
        """The same for one candidate, over all of its shards."""
        if index not in self._exact:
            shard_regions = regions(self.instance, self.candidates.split(index))
            memory = kernel_memory(self.instance.kernel, shard_regions, self.residency, machine)
            pairs = np.stack([total(memory), memory[INPUTS] + memory[OUTPUT]], axis=-1)
            bytes, buffered = distinct_rows(pairs)[0].T
            self._exact[index] = bytes, buffered
        return _fullest(*self._exact[index], buffering)

    @cached_property
    def _exact(self) -> dict[int, tuple[Ints, Ints]]:
        """By candidate, the pairs of bytes and buffered bytes that occur on its tiles."""
        return {}


def _fullest(bytes: Ints, buffered: Ints, buffering: float) -> int:
    return int((bytes + np.ceil(buffering * buffered).astype(np.int64)).max())


def kernel_candidates(graph: KernelGraph, machine: Machine) -> list[KernelCandidates]:
    """The kernels of a graph with all their candidates, in text order."""
    executions = graph.replica_executions
    out = []
    for label, instance in graph.instances.items():
        compute_units(machine, instance.kernel.result.tensor.dtype, instance.apply.span)
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
) -> dict[str, Split] | None:
    """A split of each kernel, by label, whose tiles hold at most `memory` bytes; None where that is infeasible.

    `buffering` is the factor for some kernels, by label: memory left free on a tile, as a multiple of its inputs and
    result. An interval of `relaxation` times the minimum leaves tiles to reduce the latency of an image.
    """
    buffering = buffering or {}
    choices = [_choice(kernel, memory, buffering.get(kernel.label, 0.0)) for kernel in kernels]
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
                choices[position] = _choice(choice.kernel, memory, choice.buffering)


def _choice(kernel: KernelCandidates, memory: int, buffering: float) -> _Choice:
    """The candidates that fit, without those that a candidate of no more tiles dominates."""
    fits = np.flatnonzero(kernel.memory(buffering) <= memory)
    latency, interval = kernel.latency[fits], kernel.initiation_interval[fits]
    order = np.lexsort((latency + interval, kernel.candidates.shards[fits]))
    better = _new_minima(latency[order]) | _new_minima(interval[order])
    return _Choice(kernel, fits[order][better], buffering)


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
