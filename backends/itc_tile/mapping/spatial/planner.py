"""The plan of a spatial mapping: the kernels of a fused net go in, a split for each comes out.

Every kernel owns its tiles, so images can follow each other through the machine, and the slowest kernel sets the pace.
Bisection over the times that occur finds the fastest pace at which every kernel, with the fewest tiles that keep it,
finds room. Tiles that are left go, one after the other, where they shorten the way of an image most.
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
from itc_tile.tiling.sets import Ints


@dataclass(frozen=True)
class Site:
    """A kernel to be placed: how often it runs, what its tiles keep, and the ways to split it.

    `turns` is how often one copy must be able to run while one image passes the machine; `readers` are the kernels that
    its result goes to, once for each operand, and `reading_turns` are the most turns of any exchange with them.
    """

    node: KernelInstance
    turns: int
    readers: tuple[KernelInstance, ...]
    reading_turns: int
    residency: Residency
    candidates: Candidates

    @property
    def label(self) -> str:
        return self.node.label

    @cached_property
    def replicas(self) -> int:
        return self.node.replicas

    @property
    def time(self) -> Ints:
        """What an image spends here, by candidate: receiving and computing, and sending to all readers."""
        running = (self.candidates.receive + self.candidates.compute) * self.node.executions
        return running + self.candidates.send * sum(reader.executions for reader in self.readers)

    @property
    def pace(self) -> Ints:
        """Cycles that an image must leave this kernel's tiles, by candidate, for running and for sending."""
        running = (self.candidates.receive + self.candidates.compute) * self.turns
        return np.asarray(np.maximum(running, self.candidates.send * len(self.readers) * self.reading_turns))

    def memory(self, more: float) -> Ints:
        """Bytes of the fullest tile, by candidate, with room for `more` times what its inputs and its result take."""
        return np.asarray(self.candidates.memory + np.ceil(more * self.candidates.held).astype(np.int64))

    def exact_memory(self, index: int, machine: Machine, more: float) -> int:
        """The same for one candidate, over all of its shards."""
        held = regions(self.node, self.candidates.split(index))
        memory = kernel_memory(self.node.kernel, held, self.residency, machine)
        room = np.ceil(more * (memory[INPUTS] + memory[OUTPUT])).astype(np.int64)
        return int((total(memory) + room).max())


def sites(graph: KernelGraph, machine: Machine) -> list[Site]:
    """The kernels of a graph with all their candidates, in text order."""
    turns = graph.replica_executions
    out = []
    for label, node in graph.instances.items():
        compute_units(machine, node.kernel.result.tensor.dtype, node.apply.span)
        consumers, residency = graph.consumers[label], graph.residency[label]
        most = max([turns[label], *(turns[consumer] for consumer in consumers)])
        splits = candidates(node.kernel, residency, machine)
        to = tuple(graph.instances[consumer] for consumer in consumers)
        out.append(Site(node, turns[label], to, most, residency, splits))
    return out


@dataclass
class _Choice:
    """The candidates of a site that fit and are worth their tiles, fewest first, and the one that is chosen."""

    site: Site
    indices: Ints
    more: float
    at: int = 0
    slowest: float = np.inf

    def __post_init__(self) -> None:
        self.shards = self.site.candidates.shards[self.indices]
        self.time = self.site.time[self.indices]
        self.pace = self.site.pace[self.indices]

    @property
    def tiles(self) -> int:
        return self.site.replicas * int(self.shards[self.at])

    def keeping(self, pace: float) -> int | None:
        """The candidate of fewest tiles that leaves an image its turns in so many cycles."""
        keeps = np.flatnonzero(self.pace <= pace)
        return int(keeps[0]) if len(keeps) else None

    def best_step(self) -> tuple[float, int]:
        """The most cycles saved for each tile more, of an image's way and at this pace, and the candidate for it."""
        if self.at + 1 >= len(self.shards):
            return 0.0, self.at
        more = (self.shards[self.at + 1 :] - self.shards[self.at]) * self.site.replicas
        saved = np.where(self.pace[self.at + 1 :] <= self.slowest, self.time[self.at] - self.time[self.at + 1 :], 0)
        gain = saved / np.maximum(more, 0.5)  # splits into as many tiles may differ in pace and time
        best = int(np.argmax(gain))
        return float(gain[best]), self.at + 1 + best


def choose(
    found: Sequence[Site],
    machine: Machine,
    memory: int,
    more: Mapping[str, float] | None = None,
    relaxed: float = 1,
) -> dict[str, Split] | None:
    """A split for each site, none of whose tiles holds more than `memory` bytes; None where there is no room.

    `more` says for some kernels, by label, how much room a tile must have beside, as a multiple of what its inputs and
    its result take. A pace that is `relaxed`, a multiple of the fastest, leaves tiles to shorten the way of an image.
    """
    refused: dict[str, set[int]] = {}
    more = more or {}
    while True:
        choices = [_choice(s, memory, refused.get(s.label, set()), more.get(s.label, 0.0)) for s in found]
        if not all(len(choice.indices) for choice in choices) or _tiles(choices) > machine.tiles:
            return None
        _pace(choices, machine.tiles, relaxed)
        _spend(choices, machine.tiles)
        wrong = _too_full(choices, machine, memory)
        if not wrong:
            return {
                choice.site.label: choice.site.candidates.split(int(choice.indices[choice.at])) for choice in choices
            }
        for label, index in wrong:
            refused.setdefault(label, set()).add(index)


def _choice(site: Site, memory: int, refused: set[int], more: float) -> _Choice:
    """The candidates that fit, without those that in nothing are better than one of fewer tiles."""
    fits = np.flatnonzero(site.memory(more) <= memory)
    fits = fits[~np.isin(fits, list(refused))]
    time, pace = site.time[fits], site.pace[fits]
    order = np.lexsort((time + pace, site.candidates.shards[fits]))
    better = _records(time[order]) | _records(pace[order])
    return _Choice(site, fits[order][better], more)


def _records(numbers: Ints) -> NDArray[np.bool_]:
    """Which numbers are less than all before them."""
    before = np.minimum.accumulate(np.concatenate([[np.iinfo(np.int64).max], numbers]))[:-1]
    return np.asarray(numbers < before)


def _tiles(choices: Sequence[_Choice]) -> int:
    return sum(choice.tiles for choice in choices)


def _pace(choices: Sequence[_Choice], tiles: int, relaxed: float) -> None:
    """Sets every choice to the fewest tiles that keep the fastest pace for which there is room, times `relaxed`."""
    paces = np.unique(np.concatenate([choice.pace for choice in choices]))
    low, high = 0, len(paces) - 1  # the slowest pace of all needs the fewest tiles, for which there is room
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _needed(choices, float(paces[middle])) <= tiles else (middle + 1, high)
    pace = float(paces[high]) * relaxed
    for choice in choices:
        at = choice.keeping(pace)
        assert at is not None
        choice.at, choice.slowest = at, pace


def _needed(choices: Sequence[_Choice], pace: float) -> float:
    """Tiles that keep a pace."""
    total = 0
    for choice in choices:
        at = choice.keeping(pace)
        if at is None:
            return np.inf
        total += choice.site.replicas * int(choice.shards[at])
    return total


def _spend(choices: Sequence[_Choice], tiles: int) -> None:
    """Gives tiles that are left to the steps that save most for each tile, passing over those without room."""
    left = tiles - _tiles(choices)
    steps = [_step(choice, order) for order, choice in enumerate(choices)]
    heapify(steps)
    order = len(steps)
    while steps:
        gain, _, at, choice = heappop(steps)
        more = choice.site.replicas * int(choice.shards[at] - choice.shards[choice.at])
        if gain >= 0 or more > left:
            continue
        left -= more
        choice.at = at
        heappush(steps, _step(choice, order))
        order += 1


def _step(choice: _Choice, order: int) -> tuple[float, int, int, _Choice]:
    """The best step of a choice as an entry of a heap: the largest gain first, and of equal ones the oldest."""
    gain, at = choice.best_step()
    return -gain, order, at, choice


def _too_full(choices: Sequence[_Choice], machine: Machine, memory: int) -> list[tuple[str, int]]:
    """Choices whose fullest tile, over all shards, holds more than the one they were judged by."""
    return [
        (choice.site.label, int(choice.indices[choice.at]))
        for choice in choices
        if choice.site.exact_memory(int(choice.indices[choice.at]), machine, choice.more) > memory
    ]
