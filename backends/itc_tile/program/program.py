"""The program of a tile machine: placed kernels, transfers, buffers and rolled steps; written by mappings alone.

Tables are per shard. A kernel with several replicas (`Placement.replicas`) has one table for all of them: the iteration
selects the replica, and so the tiles. The size of a program does not depend on the iterations of its loops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Loop, Net, Output, Statement, Value
from itc_tile.kernels.graph import KernelGraph, Reader, Residency
from itc_tile.kernels.instances import KernelInstance
from itc_tile.kernels.regions import granularity, required_regions
from itc_tile.machine.model import Machine
from itc_tile.program.steps import exchanges
from itc_tile.tiling.boxes import Boxes, volume, whole
from itc_tile.tiling.partition import Split, partition
from itc_tile.tiling.region import Region

Shards = NDArray[np.int64]
OUT = -1  # the position of a kernel's result among its buffers; its operands have theirs


@dataclass(frozen=True, eq=False)
class Placement:
    """Tiles of a kernel: the partition of its result, and the tile of each replica and shard, which it owns alone."""

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
class TransferTable:
    """Rows of a transfer: row i brings `region` i of a value from shard `source[i]` to shard `target[i]`.

    The host counts as one shard. Rows that write one shard are disjoint, and none is empty.
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

    def without(self, row: int) -> TransferTable:
        """The same table without one row."""
        kept = np.arange(len(self)) != row
        return replace(self, source=self.source[kept], target=self.target[kept], region=self.region.take(kept))


@dataclass(frozen=True, eq=False)
class OperandTransfer:
    """The transfer of one operand of a kernel from one of its producers.

    `value` is the operand's name in the fused net; the transfer runs in the exchange step behind its definition.
    `producer` is a kernel's label or the name of an input of the net, which the host holds.
    """

    consumer: str
    operand: int
    value: str
    producer: str
    table: TransferTable


@dataclass(frozen=True, eq=False)
class OutputTransfer:
    """The transfer of an output of the net to the host; for a series `value` is an element."""

    output: str
    value: str
    shape: tuple[int, ...]
    producer: str
    table: TransferTable


@dataclass(frozen=True, eq=False)
class ParameterTransfer:
    """The transfer that loads parameter `position` of a kernel from the host, alike for all sets of a replica."""

    consumer: str
    position: int
    key: str
    table: TransferTable


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory on the tiles of a kernel, alike on all replicas: `address` and `bytes` on each shard's tile.

    `content` is its kind (see `itc_tile.cost.memory.CONTENTS`), `name` the value or parameter that it holds.
    """

    kernel: str
    content: str
    name: str
    address: Shards
    bytes: Shards


@dataclass(frozen=True)
class Pipeline:
    """The modulo schedule of a stream of images: one image begins every `period` cycles.

    `depths` has for each operand of a kernel, and under OUT for its result, how many values its buffer holds at once.
    """

    period: int
    depths: Mapping[tuple[str, int], int]


@dataclass(frozen=True)
class Supersteps:
    """The schedule of a bulk-synchronous program: one kernel after the other, each behind an exchange, on shared tiles.

    `batch` images run at once, divided over equal groups of tiles: the rows of `Placement.tiles`. `kept` are operands,
    as (kernel, position), whose transfer stands in front of a loop: they stay on their tiles for all iterations.
    """

    batch: int = 1
    kept: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Program:
    """A fused net on a machine: `edges`, `exits` and `loads` are all its transfers, `steps` run them in order.

    A program with `supersteps` is bulk-synchronous, any other a pipeline. A program under construction has no `buffers`
    and no `pipeline` yet.
    """

    graph: KernelGraph
    machine: Machine
    placements: Mapping[str, Placement]
    edges: tuple[OperandTransfer, ...]
    exits: tuple[OutputTransfer, ...]
    loads: tuple[ParameterTransfer, ...]
    steps: tuple[Statement, ...]
    buffers: tuple[Buffer, ...] = ()
    pipeline: Pipeline | None = None
    supersteps: Supersteps | None = None

    def __eq__(self, other: object) -> bool:
        """Whether all that two programs state is equal, array by array."""
        return isinstance(other, Program) and self.net == other.net and equal(self._stated, other._stated)

    __hash__ = None  # type: ignore[assignment]

    @property
    def _stated(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "graph"}

    @property
    def net(self) -> Net:
        """The fused net."""
        return self.graph.net

    @property
    def nodes(self) -> dict[str, KernelInstance]:
        """The kernels by label."""
        return self.graph.instances

    @property
    def mapping(self) -> str:
        """The word for how kernels share the machine."""
        return "temporal" if self.supersteps else "spatial"

    @cached_property
    def images(self) -> int:
        """Images that a tile computes at once: those of a batch are divided over the groups of tiles."""
        groups = max((placement.replicas for placement in self.placements.values()), default=1)
        return -(-self.supersteps.batch // groups) if self.supersteps else 1

    @cached_property
    def residency(self) -> Mapping[str, Residency]:
        """For each kernel what its tiles keep beyond one execution, and which inputs nothing may overwrite before."""
        if self.supersteps is None:
            return self.graph.residency
        kept = {label: set[str]() for label in self.nodes}
        for label, operand in self.supersteps.kept:
            kept[label].add(self.nodes[label].kernel.inputs[operand].name)
        for label, node in self.nodes.items():
            if node.reach and not node.kernel.body:  # what a copy overwrites may be its own source, an iteration before
                kept[label].add(node.kernel.inputs[0].name)
        own = self.graph.residency
        return {label: replace(own[label], inputs=frozenset(names)) for label, names in kept.items()}

    @cached_property
    def required(self) -> dict[str, dict[str, Region]]:
        """For each kernel, by label, the region of each inner value that each shard requires."""
        return {label: shard_regions(node, self.placements[label].split) for label, node in self.nodes.items()}

    @cached_property
    def regions(self) -> dict[str, dict[str, Boxes]]:
        """The sizes of `required`, as boxes."""
        return {label: extents(regions) for label, regions in self.required.items()}

    @cached_property
    def produced(self) -> dict[str, Boxes]:
        """By the label of a kernel or the name of an input: the box that each shard produces, or the host holds."""
        return produced_boxes(self.net, self.nodes, self.required)

    @cached_property
    def readers(self) -> dict[str, list[Reader]]:
        """For each value, by name, the operands that its exchange steps send it to."""
        found: dict[str, list[Reader]] = {}
        for value, exchange in exchanges(self.steps):
            found[value.name] = [Reader(self.nodes[label], operand) for label, operand in exchange.to]
        return found

    @cached_property
    def outgoing(self) -> dict[str, list[OperandTransfer]]:
        """For each value, by name, the edges that take it to its readers."""
        found: dict[str, list[OperandTransfer]] = {}
        for edge in self.edges:
            found.setdefault(edge.value, []).append(edge)
        return found

    @cached_property
    def leaving(self) -> dict[str, list[OutputTransfer]]:
        """For each value, by name, the exits that it takes."""
        found: dict[str, list[OutputTransfer]] = {}
        for leaving in self.exits:
            found.setdefault(leaving.value, []).append(leaving)
        return found

    @cached_property
    def edge(self) -> dict[tuple[str, int, str], OperandTransfer]:
        """The edges by consumer, operand and producer."""
        return {(edge.consumer, edge.operand, edge.producer): edge for edge in self.edges}


def shard_regions(node: KernelInstance, split: Split) -> dict[str, Region]:
    """The region of every value inside a kernel that each shard requires, when its result is partitioned."""
    if split not in node.regions:
        kernel = node.kernel
        boxes = partition(kernel.result.tensor.shape, split, granularity(kernel))
        node.regions[split] = required_regions(kernel, boxes)
    return node.regions[split]


def regions(node: KernelInstance, split: Split) -> dict[str, Boxes]:
    """The sizes of these regions, as boxes."""
    return extents(shard_regions(node, split))


def extents(required: Mapping[str, Region]) -> dict[str, Boxes]:
    return {name: region.extents for name, region in required.items()}


def produced_boxes(
    net: Net, instances: Mapping[str, KernelInstance], required: Mapping[str, Mapping[str, Region]]
) -> dict[str, Boxes]:
    """By producer, the box of a result that each shard produces, or of an input that the host, one shard, holds."""
    inputs = {value.name: whole(value.tensor.shape, (1,)) for value in net.inputs}
    return inputs | {label: required[label][node.kernel.result.name].boxes for label, node in instances.items()}


PARTS = (Placement, Region, TransferTable, Buffer, OperandTransfer, OutputTransfer, ParameterTransfer)


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal: arrays by their elements, and what holds arrays part by part."""
    if type(left) is not type(right):
        return False
    match left:
        case np.ndarray():
            return np.array_equal(left, right)
        case dict():
            return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
        case tuple():
            return len(left) == len(right) and all(map(equal, left, right))
        case (
            Placement()
            | TransferTable()
            | Region()
            | OperandTransfer()
            | OutputTransfer()
            | ParameterTransfer()
            | Buffer()
        ):
            return all(equal(getattr(left, field.name), getattr(right, field.name)) for field in fields(left))
        case _:
            return bool(left == right)


def sent_value(net: Net, output: Output) -> Value:
    """The value that is sent to the host for an output: its own, or the yield of the emit that collects its series."""
    for loop in (statement for statement in net.body if isinstance(statement, Loop)):
        for emit, series in loop.collected:
            if output.value in series:
                return emit.body.yields[series.index(output.value)]
    return output.value
