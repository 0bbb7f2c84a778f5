"""Builds the program of a placed kernel graph: tables of every transfer, and steps with explicit exchanges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from itc.ir.net import Value
from itc.ir.types import DTYPE_BYTES, TensorType
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import Machine
from itc_tile.program.program import (
    OperandTransfer,
    OutputTransfer,
    ParameterTransfer,
    Placement,
    Program,
    Supersteps,
    TransferTable,
    produced_boxes,
    sent_value,
    shard_regions,
)
from itc_tile.program.steps import ExchangeStep, with_exchanges
from itc_tile.program.supersteps.exchanges import ExchangePlacement
from itc_tile.tiling.boxes import Boxes, is_empty, whole
from itc_tile.tiling.crossings import Crossings
from itc_tile.tiling.partition import Split
from itc_tile.tiling.region import Region


def build_program(
    graph: KernelGraph, machine: Machine, placements: Iterable[Placement], supersteps: Supersteps | None = None
) -> Program:
    """The program of a graph whose every kernel has a placement; it has no buffers and no pipeline yet."""
    placed = {placement.label: placement for placement in placements}
    found = graph.instances
    _check(machine, placed, found, supersteps is not None)
    tables = _Tables(graph, {label: placement.split for label, placement in placed.items()})
    edges, exits, loads = tuple(tables.edges()), tuple(tables.exits()), tuple(tables.loads())
    if supersteps:
        placing = ExchangePlacement(graph, frozenset(supersteps.kept))
        supersteps = replace(supersteps, kept=tuple(sorted(placing.kept)))
        steps = placing.steps(sent_outputs(exits))
    else:
        steps = with_exchanges(graph.net, _exchanges(graph, exits))
    return Program(graph, machine, placed, edges, exits, loads, steps, supersteps=supersteps)


def sent_outputs(exits: Iterable[OutputTransfer]) -> dict[str, tuple[str, ...]]:
    """For each value, by name, the outputs that it is sent to the host as."""
    outputs: dict[str, dict[str, None]] = {}
    for each in exits:
        outputs.setdefault(each.value, {})[each.output] = None
    return {value: tuple(names) for value, names in outputs.items()}


def _exchanges(graph: KernelGraph, exits: Iterable[OutputTransfer]) -> dict[str, ExchangeStep]:
    """For each value, by name, the operands and outputs that it is sent to."""
    outputs = sent_outputs(exits)
    return {
        value: ExchangeStep(
            tuple((reader.instance.label, reader.operand) for reader in graph.readers.get(value, ())),
            outputs.get(value, ()),
        )
        for value in dict.fromkeys([*graph.readers, *outputs])
    }


def _check(
    machine: Machine, placed: Mapping[str, Placement], instances: Mapping[str, KernelInstance], shared: bool
) -> None:
    """Placements are the planner's: a wrong one is our mistake."""
    assert set(placed) == set(instances), set(placed) ^ set(instances)
    tiles = np.concatenate([placement.tiles.reshape(-1) for placement in placed.values()] or [np.zeros(0, np.int64)])
    assert shared or len(np.unique(tiles)) == len(tiles), "two shards share a tile"
    assert ((tiles >= 0) & (tiles < machine.tiles)).all(), "a tile that the machine lacks"
    for label, placement in placed.items():
        rows = len(placement.tiles) if shared else instances[label].replicas
        assert placement.tiles.shape == (rows, placement.split.shards), label


class _Tables:
    """The transfers of a placed graph."""

    def __init__(self, graph: KernelGraph, splits: Mapping[str, Split]) -> None:
        self.graph = graph
        self.net = graph.net
        self.nodes = graph.instances
        self.splits = splits
        self.required = {label: shard_regions(node, splits[label]) for label, node in self.nodes.items()}
        self.produced = produced_boxes(graph.net, graph.instances, self.required)

    def edges(self) -> Iterator[OperandTransfer]:
        for value, group in self.graph.readers.items():
            for node, operand in ((reader.instance, reader.operand) for reader in group):
                for producer in self.graph.reaching.producers(value, node.reach):
                    table = self.incoming(node, node.kernel.inputs[operand], producer)
                    if len(table):
                        yield OperandTransfer(node.label, operand, value, producer, table)

    def incoming(self, node: KernelInstance, formal: Value, producer: str = "") -> TransferTable:
        """The table of an operand or, without a producer, of a parameter; known ones are not computed again."""
        between = formal.name, producer, self.splits.get(producer), self.splits[node.label]
        if between not in node.tables:
            required = self.required[node.label][formal.name]
            node.tables[between] = (
                transfer_table(self.produced[producer], required, formal.tensor)
                if producer in self.nodes
                else host_table(required, formal.tensor)
            )
        table: TransferTable = node.tables[between]
        return table

    def exits(self) -> Iterator[OutputTransfer]:
        for output in self.net.outputs:
            value = sent_value(self.net, output)
            for producer in self.graph.reaching.producers(value.name, {}):
                table = transfer_table(self.produced[producer], Region(whole(value.tensor.shape, (1,))), value.tensor)
                yield OutputTransfer(output.name, value.name, value.tensor.shape, producer, table)

    def loads(self) -> Iterator[ParameterTransfer]:
        for node in self.nodes.values():
            for position, (ref, formal) in enumerate(zip(node.refs, node.kernel.params, strict=True)):
                yield ParameterTransfer(node.label, position, ref.key, self.incoming(node, formal))


def transfer_table(produced: Boxes, read: Region, type: TensorType) -> TransferTable:
    """The table from shards that produce disjoint boxes of a value to shards that read some, by target."""
    source, target, region = Crossings(read, produced).rows()
    return TransferTable(source, target, region, DTYPE_BYTES[type.dtype])


def host_table(read: Region, type: TensorType) -> TransferTable:
    """The table from the host, one shard that holds the whole value, to shards that read some."""
    target = np.flatnonzero(~is_empty(read.boxes)[:, 0, 0])
    return TransferTable(np.zeros_like(target), target, read.take(target), DTYPE_BYTES[type.dtype])
