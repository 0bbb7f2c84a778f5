"""Layouts of consecutive kernels chosen together: a kernel graph with candidate splits in, a split of each kernel out.

Every kernel keeps a shortlist of splits. Its cost is its cycles on the fullest tile, and for each operand the exchange
and rearrangement between the layout of the producer and its own, all times its executions. Over the tree that joins
each kernel to the producer of its largest operand, dynamic programming finds the minimum; sweeps over all kernels, each
with its neighbours fixed, then take in the remaining operands, those round back edges too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from itc.ir.types import DTYPE_BYTES
from itc_tile.cost.candidates import Candidates, candidates
from itc_tile.cost.cycles import check_units
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import Machine
from itc_tile.mapping.temporal.rearrangement import Produced, Required, rearrangement_cycles, transfer_rows
from itc_tile.program.program import shard_regions
from itc_tile.program.steps import Target
from itc_tile.tiling.partition import Split
from itc_tile.tiling.sets import Ints

Floats = NDArray[np.float64]
SHORTLIST = 3  # splits by each criterion
SWEEPS = 2
EXCESS = 1e12  # cycles of a byte above the limit


@dataclass(frozen=True, eq=False)
class Operand:
    """An operand of a kernel and one of its producers, transferred `times` for one batch."""

    producer: str
    consumer: str
    position: int
    times: int
    bytes: int


def candidate_splits(graph: KernelGraph, machine: Machine) -> dict[str, Candidates]:
    """All splits of each kernel, by label. Raises CompileError (E0513) for elements that no unit computes."""
    found = {}
    for label, node in graph.instances.items():
        check_units(node.kernel, machine, node.apply.span)
        found[label] = candidates(node.kernel, graph.residency[label], machine)
    return found


@dataclass(eq=False)
class LayoutSpace:
    """The kernels of a graph on a machine with their candidate splits, for `images` at once on every tile."""

    graph: KernelGraph
    machine: Machine
    images: int
    kept: frozenset[Target]
    candidates: Mapping[str, Candidates]

    @cached_property
    def operands(self) -> list[Operand]:
        """Every operand with each kernel that may produce it."""
        nodes, out = self.graph.instances, []
        for value, group in self.graph.readers.items():
            for reader in group:
                node = reader.instance
                type = node.kernel.inputs[reader.operand].tensor
                kept = (node.label, reader.operand) in self.kept
                for producer in self.graph.reaching.producers(value, node.reach):
                    if producer in nodes:
                        times = nodes[producer].executions if kept else node.executions
                        out.append(Operand(producer, node.label, reader.operand, times, type.bytes))
        return out

    def costs(self, operand: Operand, producers: Sequence[Split], consumers: Sequence[Split], price: float) -> Floats:
        """Cycles of all transfers of an operand, by split of its producer and of its consumer, and of its table.

        A byte of the table costs `price` cycles; the producer has about as many rows as the reader.
        """
        source, target = (self.graph.instances[label] for label in (operand.producer, operand.consumer))
        required = _required(target, operand.position, consumers)
        layouts = [_produced(source, split) for split in producers]
        cycles = [rearrangement_cycles(layout, required, self.images, self.machine) for layout in layouts]
        tables = [2 * self.machine.code.copy_ * transfer_rows(layout, required) for layout in layouts]
        return operand.times * np.array(cycles) + price * np.array(tables)


def _produced(node: KernelInstance, split: Split) -> Produced:
    return Produced(split, shard_regions(node, split)[node.kernel.result.name].boxes)


def _required(node: KernelInstance, operand: int, splits: Sequence[Split]) -> Required:
    formal = node.kernel.inputs[operand]
    found = [shard_regions(node, split)[formal.name] for split in splits]
    element = DTYPE_BYTES[formal.tensor.dtype]
    return Required.of([region.hull for region in found], [region.extents for region in found], element)


@dataclass(eq=False)
class LayoutChoice:
    """The choice of one split of each kernel, where a byte of parameters costs `price` cycles.

    Parameters of all kernels add up on a tile, other contents take turns: these are to be at most `limit` bytes.
    """

    space: LayoutSpace
    price: float
    limit: float
    shortlist: dict[str, list[Split]] = field(default_factory=dict)
    own: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for label, found in self.space.candidates.items():
            self.shortlist[label], self.own[label] = self._shortlisted(label, found)

    def _shortlisted(self, label: str, found: Candidates) -> tuple[list[Split], Floats]:
        """The splits that are best alone, with and without receiving, of whole channels or maps, and of few shards."""
        times, images = self.space.graph.instances[label].executions, self.space.images
        transient = found.memory - found.parameters + found.buffered * (images - 1)
        excess = np.maximum(0, transient - max(self.limit, float(transient.min())))
        computing: Floats = times * images * found.compute + self.price * found.parameters + EXCESS * excess
        alone = computing + times * images * found.receive
        maps, channels = found.splits[:, 0] == found.splits[:, 0].min(), found.splits[:, 1:].max(axis=1) == 1
        tables = computing + self.price * 2 * self.space.machine.code.copy_ * found.shards
        orders = (alone, computing, tables, np.where(maps, alone, np.inf), np.where(channels, alone, np.inf))
        best: Ints = np.unique(np.concatenate([np.argsort(order, kind="stable")[:SHORTLIST] for order in orders]))
        return [found.split(int(index)) for index in best], computing[best]

    def chosen(self) -> dict[str, Split]:
        """The splits of all kernels together."""
        choice = self._swept(self._along_tree())
        return {label: splits[choice[label]] for label, splits in self.shortlist.items()}

    @cached_property
    def _edges(self) -> list[tuple[Operand, Floats]]:
        lists = self.shortlist
        return [
            (each, self.space.costs(each, lists[each.producer], lists[each.consumer], self.price))
            for each in self.space.operands
        ]

    def _parents(self) -> dict[str, tuple[Operand, Floats]]:
        """For each kernel its largest operand that a kernel in front of it produces."""
        order = {label: position for position, label in enumerate(self.shortlist)}
        found: dict[str, tuple[Operand, Floats]] = {}
        for operand, matrix in self._edges:
            known = found.get(operand.consumer)
            forward = order[operand.producer] < order[operand.consumer]
            if forward and (known is None or operand.bytes * operand.times > known[0].bytes * known[0].times):
                found[operand.consumer] = (operand, matrix)
        return found

    def _along_tree(self) -> dict[str, int]:
        """Minimum over the tree of largest operands: messages from the last kernel up, choices from the first down."""
        parents = self._parents()
        total = {label: own.copy() for label, own in self.own.items()}
        for label in reversed(self.shortlist):
            if label in parents:
                operand, matrix = parents[label]
                total[operand.producer] += (matrix + total[label]).min(axis=1)
        choice: dict[str, int] = {}
        for label in self.shortlist:
            costs = total[label]
            if label in parents:
                operand, matrix = parents[label]
                costs = costs + matrix[choice[operand.producer]]
            choice[label] = int(np.argmin(costs))
        return choice

    def _swept(self, choice: dict[str, int]) -> dict[str, int]:
        """Every kernel anew with its neighbours as they are."""
        around = _incident(self._edges)
        for _ in range(SWEEPS):
            for label in self.shortlist:
                choice[label] = int(np.argmin(self.own[label] + _neighbours(label, around.get(label, ()), choice)))
        return choice


def _incident(edges: Sequence[tuple[Operand, Floats]]) -> dict[str, list[tuple[Operand, Floats]]]:
    found: dict[str, list[tuple[Operand, Floats]]] = {}
    for operand, matrix in edges:
        for label in {operand.producer, operand.consumer}:
            found.setdefault(label, []).append((operand, matrix))
    return found


def _neighbours(label: str, edges: Sequence[tuple[Operand, Floats]], choice: Mapping[str, int]) -> Floats:
    """Costs of a kernel's transfers by its split, with its neighbours fixed."""
    costs: list[Floats] = [np.zeros(1)]
    for operand, matrix in edges:
        if operand.producer == operand.consumer:
            costs.append(np.diagonal(matrix))
        elif operand.producer == label:
            costs.append(matrix[:, choice[operand.consumer]])
        else:
            costs.append(matrix[choice[operand.producer]])
    return np.asarray(sum(costs))
