"""What fills the memory of every tile: a program goes in, bytes by content for each shard of each kernel come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from itc_tile.cost.memory import COPIES, EXCHANGE, kernel_memory, total
from itc_tile.program.program import Program
from itc_tile.tiling.sets import Ints

Memory = Mapping[str, Mapping[str, Ints]]


def footprint(program: Program, in_flight: Mapping[str, Ints] | None = None) -> dict[str, dict[str, Ints]]:
    """By kernel and content, bytes on each shard's tile. `in_flight` has those for images beside the first."""
    residency, rows = program.graph.residency, table_rows(program)
    found: dict[str, dict[str, Ints]] = {}
    for label, node in program.nodes.items():
        found[label] = kernel_memory(node.kernel, program.regions[label], residency[label], program.machine)
        found[label][EXCHANGE] = rows[label] * program.machine.code.copy_
        if in_flight is not None:
            found[label][COPIES] = in_flight[label]
    return found


def table_rows(program: Program) -> dict[str, Ints]:
    """How many rows of copies each shard's tile sends or receives; parameters are loaded before."""
    found = {label: np.zeros(placement.shards, np.int64) for label, placement in program.placements.items()}
    for edge in program.edges:
        found[edge.consumer] += np.bincount(edge.copies.target, minlength=len(found[edge.consumer]))
        if edge.producer in found:
            found[edge.producer] += np.bincount(edge.copies.source, minlength=len(found[edge.producer]))
    for exit in program.exits:
        if exit.producer in found:
            found[exit.producer] += np.bincount(exit.copies.source, minlength=len(found[exit.producer]))
    return found


@dataclass(frozen=True)
class FullestTile:
    """The tile that holds most: its kernel and shard, and bytes by content, none of them zero."""

    kernel: str
    shard: int
    tile: int
    bytes: int
    contents: Mapping[str, int]


def fullest_tile(program: Program, memory: Memory) -> FullestTile:
    """Of several that hold as much, the first in the order of the kernels."""
    totals = {label: total(contents) for label, contents in memory.items()}
    label = max(totals, key=lambda name: int(totals[name].max()))
    shard = int(np.argmax(totals[label]))
    contents = {content: int(each[shard]) for content, each in memory[label].items() if each[shard]}
    tile = int(program.placements[label].tiles[0, shard])
    return FullestTile(label, shard, tile, int(totals[label][shard]), contents)


def total_bytes(program: Program, memory: Memory) -> int:
    """Bytes on all tiles, all copies of the kernels among them."""
    return sum(program.placements[label].replicas * int(total(contents).sum()) for label, contents in memory.items())
