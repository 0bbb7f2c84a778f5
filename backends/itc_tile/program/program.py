"""The program of a tile machine: where each kernel stands, and every copy between tiles, once for all iterations.

Tables are per shard. A kernel with several replicas (`Placement.replicas`) has one table for all of them: an
iteration's replica selects the tiles. Loops, branches and emits stay those of the fused net.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Loop, Net, Output, Value
from itc.ir.types import DTYPE_BYTES, TensorType
from itc_tile.kernels.graph import KernelGraph, Reader
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import Machine
from itc_tile.tiling.boxes import Boxes, is_empty, volume, whole
from itc_tile.tiling.partition import Split, granularity, held, partition
from itc_tile.tiling.region import Region, crossings

Shards = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a kernel stands: how its result is split, and for each copy and shard a tile that nobody else has."""

    label: str
    split: Split
    tiles: Shards

    @property
    def replicas(self) -> int:
        return int(self.tiles.shape[0])

    @property
    def shards(self) -> int:
        return int(self.tiles.shape[1])


@dataclass(frozen=True, eq=False)
class Copies:
    """Rows of copies: row i brings `region` i of a value from shard `source[i]` to shard `target[i]`.

    The host counts as one shard. Rows that write one shard are disjoint, and none is without a reader.
    """

    source: Shards
    target: Shards
    region: Region
    element_bytes: int = 4

    def __len__(self) -> int:
        return len(self.source)

    @property
    def boxes(self) -> Boxes:
        """The box around each row."""
        return self.region.hull

    @cached_property
    def bytes(self) -> Shards:
        """Bytes of each row for one image."""
        return volume(self.region.boxes) * self.element_bytes

    def without(self, row: int) -> Copies:
        """The same copies but for one."""
        kept = np.arange(len(self)) != row
        return replace(self, source=self.source[kept], target=self.target[kept], region=self.region.take(kept))


@dataclass(frozen=True, eq=False)
class Edge:
    """The copies that bring one operand of a kernel from one of the places that it may come from.

    `value` is the operand's name in the fused net; when it becomes available, the copies run. `producer` is a kernel's
    label or the name of an input of the net, which the host holds.
    """

    consumer: str
    operand: int
    value: str
    producer: str
    copies: Copies


@dataclass(frozen=True, eq=False)
class Exit:
    """The copies that bring an output of the net to the host when it is made; for a series `value` is an element."""

    output: str
    value: str
    shape: tuple[int, ...]
    producer: str
    copies: Copies


@dataclass(frozen=True, eq=False)
class Load:
    """The copies that load parameter `position` of a kernel from the host, all sets that a copy of it keeps alike."""

    consumer: str
    position: int
    key: str
    copies: Copies


@dataclass(frozen=True, eq=False)
class Program:
    """A fused net, placed on a machine. `edges`, `exits` and `loads` are all the copies there are."""

    graph: KernelGraph
    machine: Machine
    placements: Mapping[str, Placement]
    edges: tuple[Edge, ...]
    exits: tuple[Exit, ...]
    loads: tuple[Load, ...]

    @property
    def net(self) -> Net:
        """The fused net."""
        return self.graph.net

    @property
    def nodes(self) -> dict[str, KernelInstance]:
        """The kernels by label."""
        return self.graph.instances

    @cached_property
    def held(self) -> dict[str, dict[str, Region]]:
        """For each kernel, by label, what each shard holds of every value inside it."""
        return {label: held_by(node, self.placements[label].split) for label, node in self.nodes.items()}

    @cached_property
    def regions(self) -> dict[str, dict[str, Boxes]]:
        """The sizes of `held`, as boxes."""
        return {label: extents(regions) for label, regions in self.held.items()}

    @cached_property
    def made(self) -> dict[str, Boxes]:
        """By the label of a kernel or the name of an input: what each shard makes of it, or the host holds."""
        return made(self.net, self.nodes, self.held)

    @property
    def readers(self) -> dict[str, list[Reader]]:
        """For each value, by name, the operands that it is copied to when it becomes available."""
        return self.graph.readers

    @cached_property
    def outgoing(self) -> dict[str, list[Edge]]:
        """For each value, by name, the edges that take it to its readers."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.value, []).append(edge)
        return found

    @cached_property
    def leaving(self) -> dict[str, list[Exit]]:
        """For each value, by name, the exits that it takes."""
        found: dict[str, list[Exit]] = {}
        for leaving in self.exits:
            found.setdefault(leaving.value, []).append(leaving)
        return found

    @cached_property
    def edge(self) -> dict[tuple[str, int, str], Edge]:
        """The edges by consumer, operand and producer."""
        return {(edge.consumer, edge.operand, edge.producer): edge for edge in self.edges}


def held_by(node: KernelInstance, split: Split) -> dict[str, Region]:
    """What each shard holds of every value inside a kernel, when its result is split."""
    kernel = node.kernel
    return held(kernel, partition(kernel.result.tensor.shape, split, granularity(kernel)))


def regions(node: KernelInstance, split: Split) -> dict[str, Boxes]:
    """The sizes of what each shard holds, as boxes."""
    return extents(held_by(node, split))


def extents(held: Mapping[str, Region]) -> dict[str, Boxes]:
    return {name: region.extents for name, region in held.items()}


def made(net: Net, found: Mapping[str, KernelInstance], held: Mapping[str, Mapping[str, Region]]) -> dict[str, Boxes]:
    """What each shard makes of every kernel's result, and the host, as one shard, holds of every input."""
    inputs = {value.name: whole(value.tensor.shape, (1,)) for value in net.inputs}
    return inputs | {label: held[label][node.kernel.result.name].boxes for label, node in found.items()}


def build_program(graph: KernelGraph, machine: Machine, placements: Iterable[Placement]) -> Program:
    """The program of a fused net whose every kernel has a placement, with the tables of all copies."""
    placed = {placement.label: placement for placement in placements}
    found = graph.instances
    _check(machine, placed, found)
    tables = _Tables(graph, {label: held_by(node, placed[label].split) for label, node in found.items()})
    return Program(graph, machine, placed, tuple(tables.edges()), tuple(tables.exits()), tuple(tables.loads()))


def _check(machine: Machine, placed: Mapping[str, Placement], found: Mapping[str, KernelInstance]) -> None:
    """Placements are the planner's: a wrong one is our mistake."""
    assert set(placed) == set(found), set(placed) ^ set(found)
    tiles = np.concatenate([placement.tiles.reshape(-1) for placement in placed.values()] or [np.zeros(0, np.int64)])
    assert len(np.unique(tiles)) == len(tiles), "two shards share a tile"
    assert ((tiles >= 0) & (tiles < machine.tiles)).all(), "a tile that the machine lacks"
    for label, placement in placed.items():
        assert placement.tiles.shape == (found[label].replicas, placement.split.shards), label


class _Tables:
    """The copies of a placed net."""

    def __init__(self, graph: KernelGraph, held: Mapping[str, Mapping[str, Region]]) -> None:
        self.graph = graph
        self.net = graph.net
        self.nodes = graph.instances
        self.held = held
        self.made = made(graph.net, graph.instances, held)

    def edges(self) -> Iterator[Edge]:
        for value, group in self.graph.readers.items():
            for node, operand in ((reader.instance, reader.operand) for reader in group):
                formal = node.kernel.inputs[operand]
                for producer in self.graph.reaching.producers(value, node.reach):
                    copies = crossing(self.made[producer], self.held[node.label][formal.name], formal.tensor)
                    if len(copies):
                        yield Edge(node.label, operand, value, producer, copies)

    def exits(self) -> Iterator[Exit]:
        for output in self.net.outputs:
            value = leaving(self.net, output)
            for producer in self.graph.reaching.producers(value.name, {}):
                copies = crossing(self.made[producer], Region(whole(value.tensor.shape, (1,))), value.tensor)
                yield Exit(output.name, value.name, value.tensor.shape, producer, copies)

    def loads(self) -> Iterator[Load]:
        for node in self.nodes.values():
            for position, (ref, formal) in enumerate(zip(node.refs, node.kernel.params, strict=True)):
                host = whole(formal.tensor.shape, (1,))
                copies = crossing(host, self.held[node.label][formal.name], formal.tensor)
                yield Load(node.label, position, ref.key, copies)


def crossing(made: Boxes, read: Region, type: TensorType) -> Copies:
    """The copies from shards that make disjoint boxes of a value to shards that read some, by target."""
    found = crossings(read, made)
    target, source = np.nonzero(~is_empty(found.boxes)[..., 0, 0])
    return Copies(source, target, found.take((target, source)), DTYPE_BYTES[type.dtype])


def leaving(net: Net, output: Output) -> Value:
    """What is copied to the host for an output: its value, or what its loop yields for its series."""
    for loop in (statement for statement in net.body if isinstance(statement, Loop)):
        for emit, series in loop.collected:
            if output.value in series:
                return emit.body.yields[series.index(output.value)]
    return output.value
