"""The plan of a spatial mapping: the kernels of a fused net go in, a split for each comes out.

Every kernel owns its tiles, so images can follow each other through the machine, and the slowest kernel sets the pace.
Bisection over the times that occur finds the fastest pace at which every kernel, with the fewest tiles that keep it,
finds room. Tiles that are left go, one after the other, where they shorten the way of an image most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Loop, Net, walk
from itc.ir.uses import definitions
from itc_tile.cost.candidates import Candidates, candidates
from itc_tile.cost.cycles import Ints, compute_units
from itc_tile.cost.memory import INPUTS, OUTPUT, Keeping, kernel_memory, total
from itc_tile.kernels.definitions import Bindings, readers, slots
from itc_tile.kernels.instances import Node, nodes
from itc_tile.machine.model import Machine
from itc_tile.program.program import regions
from itc_tile.tiling.partition import Split

Objective = Literal["throughput", "latency"]


@dataclass(frozen=True)
class Site:
    """A kernel to be placed: how often it runs, what its tiles keep, and the ways to split it.

    `turns` is how often one copy must be able to run while one image passes the machine; `readers` are the kernels that
    its result goes to, once for each operand, and `reading_turns` are the most turns of any exchange with them.
    """

    node: Node
    turns: int
    readers: tuple[Node, ...]
    reading_turns: int
    keeping: Keeping
    candidates: Candidates

    @property
    def label(self) -> str:
        return self.node.label

    @cached_property
    def copies(self) -> int:
        return self.node.copies

    @property
    def time(self) -> Ints:
        """What an image spends here, by candidate: receiving and computing, and sending to all readers."""
        running = (self.candidates.receive + self.candidates.compute) * self.node.times
        return running + self.candidates.send * sum(reader.times for reader in self.readers)

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
        memory = kernel_memory(self.node.kernel, held, self.keeping, machine)
        room = np.ceil(more * (memory[INPUTS] + memory[OUTPUT])).astype(np.int64)
        return int((total(memory) + room).max())


def sites(net: Net, machine: Machine) -> list[Site]:
    """The kernels of a fused net with all their candidates, in text order."""
    found = nodes(net)
    counts = {loop.var: loop.count for loop in walk(net.body) if isinstance(loop, Loop)}
    turns = {label: prod(counts[var] for var in turn_loops(node)) for label, node in found.items()}
    reading = reading_kernels(net)
    keeping = what_is_kept(net)
    out = []
    for label, node in found.items():
        compute_units(machine, node.kernel.result.tensor.dtype, node.apply.span)
        most = max([turns[label], *(turns[reader] for reader in reading[label])])
        splits = candidates(node.kernel, keeping[label], machine)
        to = tuple(found[reader] for reader in reading[label])
        out.append(Site(node, turns[label], to, most, keeping[label], splits))
    return out


def reading_kernels(net: Net) -> dict[str, list[str]]:
    """For each kernel, by label, the kernels that its result goes to, once for each operand."""
    bindings = Bindings(net)
    found: dict[str, list[str]] = {label: [] for label in nodes(net)}
    for value, group in readers(net).items():
        for reader in group:
            for producer in bindings.producers(value, reader.node.reach):
                if producer in found:
                    found[producer].append(reader.node.label)
    return found


def turn_loops(node: Node) -> tuple[str, ...]:
    """The loops around, from outside, down to the last in which one copy of the kernel runs more than once."""
    variables = tuple(node.reach)
    again = [at for at, var in enumerate(variables) if _runs(node, var) > 1]
    return variables[: again[-1] + 1] if again else ()


def _runs(node: Node, var: str) -> int:
    """In how many iterations of a loop one copy runs at most."""
    axis = node.axes.get(var)
    return int(np.bincount(axis.groups).max()) if axis else len(node.reach[var])


def what_is_kept(net: Net) -> dict[str, Keeping]:
    """For each kernel, by label, what its tiles keep beside one run."""
    inside, elements = values_inside(net), slots(net)
    return {
        label: Keeping(
            tuple(node.resident_sets(position) for position in range(len(node.refs))),
            elements.get(label, 1),
            kept_inputs(node, inside),
        )
        for label, node in nodes(net).items()
    }


def values_inside(net: Net) -> dict[str, set[str]]:
    """For each loop, by its variable, the names that are defined within its body."""
    loops = (statement for statement in walk(net.body) if isinstance(statement, Loop))
    return {loop.var: definitions((loop,)) - {value.name for value in loop.results} for loop in loops}


def kept_inputs(node: Node, inside: Mapping[str, set[str]]) -> frozenset[str]:
    """Formal names of inputs that stay the same in all iterations of the innermost loop around a kernel."""
    if not node.reach:
        return frozenset()
    varying = inside[tuple(node.reach)[-1]]
    values = zip(node.apply.values, node.kernel.inputs, strict=True)
    return frozenset(formal.name for value, formal in values if value.name not in varying)


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
        return self.site.copies * int(self.shards[self.at])

    def keeping(self, pace: float) -> int | None:
        """The candidate of fewest tiles that leaves an image its turns in so many cycles."""
        keeps = np.flatnonzero(self.pace <= pace)
        return int(keeps[0]) if len(keeps) else None

    def best_step(self) -> tuple[float, int]:
        """The most cycles saved for each tile more, of an image's way and at this pace, and the candidate for it."""
        if self.at + 1 >= len(self.shards):
            return 0.0, self.at
        more = (self.shards[self.at + 1 :] - self.shards[self.at]) * self.site.copies
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
        total += choice.site.copies * int(choice.shards[at])
    return total


def _spend(choices: Sequence[_Choice], tiles: int) -> None:
    """Gives tiles that are left to the steps that save most for each tile, passing over those without room."""
    left = tiles - _tiles(choices)
    steps = {number: choice.best_step() for number, choice in enumerate(choices)}
    while steps:
        number = max(steps, key=lambda n: steps[n][0])
        gain, at = steps.pop(number)
        choice = choices[number]
        more = choice.site.copies * int(choice.shards[at] - choice.shards[choice.at])
        if gain <= 0 or more > left:
            continue
        left -= more
        choice.at = at
        steps[number] = choice.best_step()


def _too_full(choices: Sequence[_Choice], machine: Machine, memory: int) -> list[tuple[str, int]]:
    """Choices whose fullest tile, over all shards, holds more than the one they were judged by."""
    return [
        (choice.site.label, int(choice.indices[choice.at]))
        for choice in choices
        if choice.site.exact_memory(int(choice.indices[choice.at]), machine, choice.more) > memory
    ]
