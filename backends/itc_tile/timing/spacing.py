"""Distances between the iterations of a loop in which something happens, in a modulo schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import gcd, prod

import numpy as np

from itc.ir.iterations import IterationSet
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.instances import KernelInstance

#: The longest loop whose factors are all tried, and the most iterations compared for it: some milliseconds.
MOST_FACTORS, MOST_EXACT = 1 << 12, 1 << 20


@dataclass(frozen=True)
class Occupation:
    """Cycles for which a `kernel` computes, or receives, in some iterations of a loop; without a loop, once an image.

    A `transfer` takes ports of its own and of its producer. Its interval is at least that of the executions of a
    `replica` of one of the two, where one is named.
    """

    var: str
    iterations: IterationSet
    cycles: int
    kernel: str
    transfer: bool = False
    replica: str = ""


def smallest_gap(iterations: IterationSet) -> int:
    """The fewest iterations from one of at least two to the next."""
    within = [run.step for run in iterations.runs if len(run) > 1]
    return min(within + [after[0] - before[-1] for before, after in pairwise(iterations.runs)])


@lru_cache(maxsize=4096)
def circular_gap(iterations: IterationSet, factor: int, count: int) -> int:
    """The smallest distance of two of these iterations modulo `count`, each times `factor`; `count` for one alone.

    Iteration t of an interleaved loop of `count` iterations begins `factor` x (t - 1) shares of a period behind the
    first, so that distances are modulo the period. `factor` and `count` are coprime.
    """
    if 2 * len(iterations) > count:
        return 1
    slots = np.sort(np.fromiter(iterations, np.int64) * (factor % count) % count)
    return int(np.diff(slots, append=slots[0] + count).min())


@lru_cache(maxsize=4096)
def widest_gap(iterations: IterationSet, count: int) -> int:
    """An upper bound of `circular_gap` for all factors: the largest of them where few are to be compared."""
    if len(iterations) == 1:
        return count
    if count > MOST_FACTORS or len(iterations) * count > MOST_EXACT:
        return max(1, count // len(iterations))
    factors = (factor for factor in range(1, count // 2 + 1) if gcd(factor, count) == 1)
    return max((circular_gap(iterations, factor, count) for factor in factors), default=1)


def coprime(least: int, number: int) -> int:
    """The smallest number >= `least` that is coprime to `number`."""
    return next(k for k in range(max(1, least), least + number + 2) if gcd(k, number) == 1)


def replica_iterations(node: KernelInstance) -> Iterator[tuple[str, IterationSet]]:
    """For each replica the innermost loop in which it executes several times, and in which iterations."""
    if not node.recurring_loops:
        yield "", IterationSet.span(1, 1)
        return
    var = node.recurring_loops[-1]
    axis = node.axes.get(var)
    if axis is None:
        yield var, node.reach[var]
        return
    order = np.argsort(axis.groups, kind="stable")
    ends = np.cumsum(np.bincount(axis.groups))
    yield from ((var, IterationSet.of(own.tolist())) for own in np.split(axis.reach[order], ends[:-1]))


def intervals(graph: KernelGraph, node: KernelInstance) -> int:
    """The fewest intervals between executions of a replica of a kernel that fill a period.

    Several in each iteration of the loops around, where executions in some iterations alone are not equally far apart.
    """
    return max(_slots(graph, node.recurring_loops, iterations) for _, iterations in replica_iterations(node))


def sending_intervals(graph: KernelGraph, node: KernelInstance) -> int:
    """The same for executions of any replica, to which another kernel sends its results."""
    loops = tuple(node.reach)
    return _slots(graph, loops, node.reach[loops[-1]]) if loops else 1


def _slots(graph: KernelGraph, loops: tuple[str, ...], iterations: IterationSet) -> int:
    if not loops:
        return 1
    counts = [graph.loops[var].count for var in loops]
    return -(-prod(counts) // widest_gap(iterations, counts[-1]))
