"""Kernel instances: the iterations that execute a kernel, its replicas, and the parameter sets each of these reads."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Index, Net, ParamRef
from itc_tile.kernels.kernel import Kernel
from itc_tile.tiling.partition import Split
from itc_tile.tiling.region import Region

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class KernelInstance:
    """A kernel with the iterations of the enclosing loops that execute it.

    A kernel whose anchor's weight differs between iterations has several replicas, one for each set of the weight. A
    replica keeps all sets that it reads of its other parameters. One that is not `replicated` keeps all sets itself.
    """

    net: Net
    apply: Apply
    reach: Reach
    replicated: bool = True

    @property
    def kernel(self) -> Kernel:
        assert isinstance(self.apply.op, Kernel)
        return self.apply.op

    @property
    def label(self) -> str:
        return self.kernel.label

    @cached_property
    def regions(self) -> dict[Split, dict[str, Region]]:
        """Required regions by partition, filled as partitions are tried; see `itc_tile.program.shard_regions`."""
        return {}

    @cached_property
    def tables(self) -> dict[Hashable, Any]:
        """Transfer tables by what they lie between, filled as partitions are tried; see `itc_tile.program.build`."""
        return {}

    @property
    def executions(self) -> int:
        """Executions of all replicas together for one image."""
        return prod(len(iterations) for iterations in self.reach.values())

    @property
    def refs(self) -> tuple[ParamRef, ...]:
        """The parameters, in the order of `kernel.params`."""
        return self.apply.refs

    @property
    def replicas(self) -> int:
        """Number of replicas."""
        return prod(axis.count for axis in self.axes.values())

    @cached_property
    def axes(self) -> dict[str, ReplicaAxis]:
        """By loop variable, how iterations select a replica."""
        if not self.replicated:
            return {}
        weights = (r for r, formal in zip(self.refs, self.kernel.params, strict=True) if len(formal.tensor.shape) > 1)
        by_var: dict[str, list[Index]] = {}
        for index in (i for ref in weights for i in ref.index if isinstance(i, Index)):
            by_var.setdefault(index.var, []).append(index)
        return {var: ReplicaAxis(self.iterations(var), tuple(dict.fromkeys(found))) for var, found in by_var.items()}

    @cached_property
    def recurring_loops(self) -> tuple[str, ...]:
        """The enclosing loops, outermost first, down to the last in which one replica executes more than once."""
        variables = tuple(self.reach)
        recurring = [at for at, var in enumerate(variables) if self._most_executions(var) > 1]
        return variables[: recurring[-1] + 1] if recurring else ()

    def _most_executions(self, var: str) -> int:
        """The most iterations of a loop in which one replica executes."""
        axis = self.axes.get(var)
        return int(np.bincount(axis.groups).max()) if axis else len(self.reach[var])

    @cached_property
    def executions_of_fullest_replica(self) -> int:
        """Executions for one image of the replica that executes most."""
        return prod(self._most_executions(var) for var in self.reach)

    def reuse_distance(self, count: int) -> int:
        """The fewest iterations from one execution of a replica to its next, in the last of its recurring loops.

        That loop has `count` iterations, and may begin anew as soon as it has ended. 1 where a loop within it hides
        the distance.
        """
        if not self.recurring_loops or self.recurring_loops[-1] != tuple(self.reach)[-1]:
            return 1
        var = self.recurring_loops[-1]
        replicas, iterations = self._by_replica(var)
        first, last = (np.searchsorted(replicas, replicas, side) for side in ("left", "right"))
        around = int((iterations[first] + count - iterations[last - 1]).min())
        return min(around, self.distance_within(var, around))

    def distance_within(self, var: str, otherwise: int) -> int:
        """The fewest iterations of one run of a loop between two executions of a replica; `otherwise` for one alone."""
        replicas, iterations = self._by_replica(var)
        return int(np.diff(iterations)[np.diff(replicas) == 0].min(initial=otherwise))

    def _by_replica(self, var: str) -> tuple[Numbers, Numbers]:
        """Executions in a loop, ordered by replica: the replica and the iteration of each."""
        iterations, axis = self.iterations(var), self.axes.get(var)
        replicas = axis.groups if axis else np.zeros(len(iterations), np.int64)
        order = np.lexsort((iterations, replicas))
        return replicas[order], iterations[order]

    def iterations(self, var: str) -> Numbers:
        return np.array(self.reach[var].numbers, np.int64)

    def replica_at(self, iteration: Mapping[str, int]) -> int:
        """The replica that executes in an iteration of the enclosing loops."""
        at = 0
        for var, axis in self.axes.items():
            at = at * axis.count + axis.at(iteration[var])
        return at

    def replicas_in(self, reach: Reach) -> list[int]:
        """The replicas that execute in a subset of the iterations."""
        found = np.zeros(1, np.int64)
        for var, axis in self.axes.items():
            found = (found[:, None] * axis.count + axis.among(reach[var])).reshape(-1)
        return [int(replica) for replica in found]

    def sets(self, position: int, replica: int) -> tuple[Numbers, ...]:
        """For each axis of sets of parameter `position`, those that a replica reads, ascending."""
        groups = self._groups(replica)
        return tuple(
            np.array([index])
            if isinstance(index, int)
            else np.unique(set_numbers(index, groups.get(index.var, self.iterations(index.var))))
            for index in self.refs[position].index
        )

    def slot(self, position: int, kept: tuple[Numbers, ...], iteration: Mapping[str, int]) -> int:
        """Which of the sets `kept` by a replica (as `sets` gives them, the last axis fastest) these iterations read."""
        at = 0
        for axis, index in zip(kept, self.refs[position].index, strict=True):
            number = index if isinstance(index, int) else index.at(iteration[index.var])
            at = at * len(axis) + int(np.searchsorted(axis, number))
        return at

    def resident_sets(self, position: int) -> int:
        """How many sets of parameter `position` a replica keeps, at most."""
        return max(prod(len(axis) for axis in self.sets(position, replica)) for replica in range(self.replicas))

    def _groups(self, replica: int) -> dict[str, Numbers]:
        """By loop variable, the iterations in which a replica executes."""
        found: dict[str, Numbers] = {}
        for var, axis in reversed(self.axes.items()):
            replica, at = divmod(replica, axis.count)
            found[var] = axis.reach[axis.groups == at]
        return found


@dataclass(frozen=True)
class ReplicaAxis:
    """How the iterations of one loop select a replica."""

    reach: Numbers
    indices: tuple[Index, ...]

    @cached_property
    def groups(self) -> Numbers:
        """For each iteration in `reach` the number of its replica, from 0."""
        rows = np.stack([set_numbers(index, self.reach) for index in self.indices], axis=1)
        return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @cached_property
    def count(self) -> int:
        return int(self.groups.max()) + 1

    def at(self, iteration: int) -> int:
        return int(self.groups[np.searchsorted(self.reach, iteration)])

    def among(self, iterations: IterationSet) -> Numbers:
        """The replicas that execute in `iterations`, ascending."""
        return np.unique(self.groups[np.isin(self.reach, np.array(iterations.numbers, np.int64))])


def set_numbers(index: Index, iterations: Numbers) -> Numbers:
    """The sets, from 0, that `iterations` read: `Index.at` of each."""
    over = np.array(index.over.numbers, np.int64)
    iterations = index.step * iterations + index.offset
    if index.every == 1:
        return np.searchsorted(over, iterations)
    return np.searchsorted(np.unique((over - 1) // index.every), (iterations - 1) // index.every)
