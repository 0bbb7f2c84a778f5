"""The plan of a spatial mapping: the kernels of a fused net go in, a split for each comes out.

Every kernel owns its tiles, so images can follow each other through the machine, and the slowest kernel sets the pace. For
the throughput, bisection over the times that occur finds the fastest pace at which every kernel, with the fewest tiles
that keep it, finds room. Tiles that are left, for the latency all of them, go one after the other where they shorten the
way of an image most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

import numpy as np

from itc.ir.net import Body, Loop, Net, children, walk
from itc_tile.candidates import Candidates, candidates
from itc_tile.layout import Split
from itc_tile.machine import Machine
from itc_tile.memory import kernel_memory, total
from itc_tile.nodes import Node, nodes
from itc_tile.program import regions
from itc_tile.work import Ints, compute_units

Objective = Literal["throughput", "latency"]


@dataclass(frozen=True)
class Site:
    """A kernel to be placed: how often it runs, what its tiles keep, and the ways to split it."""

    node: Node
    turns: int
    kept: frozenset[str]
    sets: tuple[int, ...]
    candidates: Candidates

    @property
    def label(self) -> str:
        return self.node.label

    @cached_property
    def copies(self) -> int:
        return self.node.copies

    def exact_memory(self, index: int, machine: Machine) -> int:
        """Bytes of the fullest tile, over all shards of a candidate."""
        held = regions(self.node, self.candidates.split(index))
        return int(total(kernel_memory(self.node.kernel, held, self.sets, machine, self.kept)).max())


def sites(net: Net, machine: Machine) -> list[Site]:
    """The kernels of a fused net with all their candidates, in text order."""
    counts = {loop.var: loop.count for loop in walk(net.body) if isinstance(loop, Loop)}
    inside = values_inside(net)
    return [_site(node, counts, inside, machine) for node in nodes(net).values()]


def _site(node: Node, counts: Mapping[str, int], inside: Mapping[str, set[str]], machine: Machine) -> Site:
    compute_units(machine, node.kernel.result.tensor.dtype, node.apply.span)
    kept = kept_inputs(node, inside)
    sets = tuple(node.resident_sets(position) for position in range(len(node.refs)))
    turns = prod(counts[var] for var in turn_loops(node))
    return Site(node, turns, kept, sets, candidates(node.kernel, sets, machine, kept))


def turn_loops(node: Node) -> tuple[str, ...]:
    """The loops around, from outside, down to the last in which one copy of the kernel runs more than once."""
    variables = tuple(node.reach)
    again = [at for at, var in enumerate(variables) if _runs(node, var) > 1]
    return variables[: again[-1] + 1] if again else ()


def _runs(node: Node, var: str) -> int:
    """In how many iterations of a loop one copy runs at most."""
    axis = node.axes.get(var)
    return int(np.bincount(axis.groups).max()) if axis else len(node.reach[var])


def values_inside(net: Net) -> dict[str, set[str]]:
    """For each loop, by its variable, the names that are defined within its body."""
    return {loop.var: _defined(loop.body) | _inner(loop) for loop in walk(net.body) if isinstance(loop, Loop)}


def _inner(loop: Loop) -> set[str]:
    return {carry.inner.name for carry in loop.carries} | {each.inner.name for each in loop.each}


def _defined(body: Body) -> set[str]:
    names: set[str] = set()
    for statement in body.statements:
        names |= {value.name for value in getattr(statement, "results", ())}
        names |= _inner(statement) if isinstance(statement, Loop) else set()
        names |= {name for inner in children(statement) for name in _defined(inner)}
    return names


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
    shards: Ints
    busy: Ints
    at: int = 0

    @property
    def tiles(self) -> int:
        return self.site.copies * int(self.shards[self.at])

    def keeping(self, pace: float) -> int | None:
        """The first candidate whose runs for one image take no longer than `pace`."""
        at = int(np.searchsorted(-self.busy * self.site.turns, -pace))
        return at if at < len(self.busy) else None

    def best_step(self) -> tuple[float, int]:
        """The most cycles of an image's way saved for each tile more, and the candidate that saves them."""
        if self.at + 1 >= len(self.shards):
            return 0.0, self.at
        more = (self.shards[self.at + 1 :] - self.shards[self.at]) * self.site.copies
        saved = (self.busy[self.at] - self.busy[self.at + 1 :]) * self.site.node.times
        gain = saved / more
        best = int(np.argmax(gain))
        return float(gain[best]), self.at + 1 + best


def choose(found: Sequence[Site], machine: Machine, memory: int, objective: Objective) -> dict[str, Split] | None:
    """A split for each site, none of whose tiles holds more than `memory` bytes; None where there is no room."""
    refused: dict[str, set[int]] = {}
    while True:
        choices = [_choice(site, memory, refused.get(site.label, set())) for site in found]
        if not all(len(choice.indices) for choice in choices) or _tiles(choices) > machine.tiles:
            return None
        if objective == "throughput":
            _pace(choices, machine.tiles)
        _spend(choices, machine.tiles)
        wrong = _too_full(choices, machine, memory)
        if not wrong:
            return {
                choice.site.label: choice.site.candidates.split(int(choice.indices[choice.at])) for choice in choices
            }
        for label, index in wrong:
            refused.setdefault(label, set()).add(index)


def _choice(site: Site, memory: int, refused: set[int]) -> _Choice:
    """The candidates that fit, without those that are no faster than one of fewer tiles."""
    fits = np.flatnonzero(site.candidates.memory <= memory)
    fits = fits[~np.isin(fits, list(refused))]
    order = fits[np.lexsort((site.candidates.busy[fits], site.candidates.shards[fits]))]
    busy = site.candidates.busy[order]
    before = np.minimum.accumulate(np.concatenate([[np.iinfo(np.int64).max], busy]))[:-1]
    order = order[busy < before]
    return _Choice(site, order, site.candidates.shards[order], site.candidates.busy[order])


def _tiles(choices: Sequence[_Choice]) -> int:
    return sum(choice.tiles for choice in choices)


def _pace(choices: Sequence[_Choice], tiles: int) -> None:
    """Sets every choice to the fewest tiles that keep the fastest pace for which there is room."""
    paces = np.unique(np.concatenate([choice.busy * choice.site.turns for choice in choices]))
    low, high = 0, len(paces) - 1  # the slowest pace of all needs the fewest tiles, for which there is room
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _needed(choices, float(paces[middle])) <= tiles else (middle + 1, high)
    for choice in choices:
        at = choice.keeping(float(paces[high]))
        assert at is not None
        choice.at = at


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
    """Gives tiles that are left to the steps that save most for each tile; a step there is no room for is passed over."""
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
        if choice.site.exact_memory(int(choice.indices[choice.at]), machine) > memory
    ]
