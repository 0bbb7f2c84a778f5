"""The kernels of a fused net where they stand: which iterations reach each, its copies, and which sets these read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from itc.analysis.reach import Reach, reached
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Index, Net, ParamRef
from itc_tile.kernels.kernel import Kernel

Numbers = NDArray[np.int64]


def nodes(net: Net) -> dict[str, Node]:
    """Every kernel of a fused net that some iteration reaches, by its label, in text order."""
    found = (Node(net, run.apply, run.reach) for run in reached(net.body) if isinstance(run.apply.op, Kernel))
    return {node.label: node for node in found}


@dataclass(frozen=True)
class Node:
    """A kernel and what is around it.

    Where the weight of its anchor is not shared by all iterations, the kernel stands `copies` times side by side, once
    for each set of the weight; a copy keeps all sets that it reads of its other parameters.
    """

    net: Net
    apply: Apply
    reach: Reach

    @property
    def kernel(self) -> Kernel:
        assert isinstance(self.apply.op, Kernel)
        return self.apply.op

    @property
    def label(self) -> str:
        return self.kernel.label

    @property
    def times(self) -> int:
        """How often all its copies together run for one image."""
        return prod(len(iterations) for iterations in self.reach.values())

    @property
    def refs(self) -> tuple[ParamRef, ...]:
        """The parameters, in the order of `kernel.params`."""
        return self.apply.refs

    @property
    def copies(self) -> int:
        """How often it stands side by side."""
        return prod(axis.count for axis in self.axes.values())

    @cached_property
    def axes(self) -> dict[str, CopyAxis]:
        """By loop variable, what tells the copies apart."""
        weights = (r for r, formal in zip(self.refs, self.kernel.params, strict=True) if len(formal.tensor.shape) > 1)
        by_var: dict[str, list[Index]] = {}
        for index in (i for ref in weights for i in ref.index if isinstance(i, Index)):
            by_var.setdefault(index.var, []).append(index)
        return {var: CopyAxis(self.iterations(var), tuple(dict.fromkeys(found))) for var, found in by_var.items()}

    def iterations(self, var: str) -> Numbers:
        return np.array(self.reach[var].numbers, np.int64)

    def copy_at(self, iteration: Mapping[str, int]) -> int:
        """The copy that runs in these iterations of the loops around."""
        at = 0
        for var, axis in self.axes.items():
            at = at * axis.count + axis.at(iteration[var])
        return at

    def copies_in(self, reach: Reach) -> list[int]:
        """The copies that run in a part of the iterations that reach the kernel."""
        found = np.zeros(1, np.int64)
        for var, axis in self.axes.items():
            found = (found[:, None] * axis.count + axis.among(reach[var])).reshape(-1)
        return [int(copy) for copy in found]

    def sets(self, position: int, copy: int) -> tuple[Numbers, ...]:
        """For each axis of sets of parameter `position`, those that a copy reads, ascending."""
        groups = self._groups(copy)
        return tuple(
            np.array([index])
            if isinstance(index, int)
            else np.unique(set_numbers(index, groups.get(index.var, self.iterations(index.var))))
            for index in self.refs[position].index
        )

    def slot(self, position: int, kept: tuple[Numbers, ...], iteration: Mapping[str, int]) -> int:
        """Which of the sets `kept` by a copy (as `sets` gives them, the last axis fastest) these iterations read."""
        at = 0
        for axis, index in zip(kept, self.refs[position].index, strict=True):
            number = index if isinstance(index, int) else index.at(iteration[index.var])
            at = at * len(axis) + int(np.searchsorted(axis, number))
        return at

    def resident_sets(self, position: int) -> int:
        """How many sets of parameter `position` a copy keeps, at most."""
        return max(prod(len(axis) for axis in self.sets(position, copy)) for copy in range(self.copies))

    def _groups(self, copy: int) -> dict[str, Numbers]:
        """For each loop variable that tells copies apart the iterations in which `copy` runs."""
        found: dict[str, Numbers] = {}
        for var, axis in reversed(self.axes.items()):
            copy, at = divmod(copy, axis.count)
            found[var] = axis.reach[axis.groups == at]
        return found


@dataclass(frozen=True)
class CopyAxis:
    """How the iterations of one loop that reach a kernel fall to its copies."""

    reach: Numbers
    indices: tuple[Index, ...]

    @cached_property
    def groups(self) -> Numbers:
        """For each iteration in `reach` the number of its copy, from 0."""
        rows = np.stack([set_numbers(index, self.reach) for index in self.indices], axis=1)
        return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @cached_property
    def count(self) -> int:
        return int(self.groups.max()) + 1

    def at(self, iteration: int) -> int:
        return int(self.groups[np.searchsorted(self.reach, iteration)])

    def among(self, iterations: IterationSet) -> Numbers:
        """The copies that run in `iterations`, ascending."""
        return np.unique(self.groups[np.isin(self.reach, np.array(iterations.numbers, np.int64))])


def set_numbers(index: Index, iterations: Numbers) -> Numbers:
    """The sets, from 0, that `iterations` read: `Index.at` of each."""
    over = np.array(index.over.numbers, np.int64)
    iterations = index.step * iterations + index.offset
    if index.every == 1:
        return np.searchsorted(over, iterations)
    return np.searchsorted(np.unique((over - 1) // index.every), (iterations - 1) // index.every)
