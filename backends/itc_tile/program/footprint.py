"""Memory of a program: its buffers with addresses, and the bytes by content on each shard's tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from itc_tile.cost.memory import (
    CODE,
    CONTENTS,
    COPIES,
    EXCHANGE,
    RESIDENT,
    Buffers,
    by_content,
    kernel_buffers,
    total,
    value_slot_bytes,
)
from itc_tile.program.program import OUT, Buffer, Pipeline, Program, Shards
from itc_tile.tiling.sets import Ints

Flags = NDArray[np.bool_]
Memory = Mapping[str, Mapping[str, Ints]]


def allocated(program: Program, pipeline: Pipeline | None = None) -> Program:
    """The program with a pipeline and an address for every buffer: one behind the other on the tiles of a kernel."""
    sizes = buffer_sizes(program, pipeline.depths if pipeline else {})
    buffers = tuple(buffer for label, own in sizes.items() for buffer in _addressed(label, own))
    return replace(program, pipeline=pipeline, buffers=buffers)


def _addressed(label: str, sizes: Buffers) -> Iterator[Buffer]:
    address = np.zeros_like(sizes[0][2])
    for content, name, bytes in sizes:
        if bytes.any():
            yield Buffer(label, content, name, address, bytes)
        address = address + bytes


def buffer_sizes(program: Program, depths: Mapping[tuple[str, int], int]) -> dict[str, Buffers]:
    """For each kernel the bytes of its buffers, tables of transfers and values beside the first of each among them."""
    rows, residency = table_rows(program), program.residency
    found: dict[str, Buffers] = {}
    for label, node in program.nodes.items():
        own = kernel_buffers(node.kernel, program.regions[label], residency[label], program.machine)
        found[label] = [*own, (EXCHANGE, "transfers", rows[label] * program.machine.code.copy_)]
    if program.supersteps:
        return _of_shared_tiles(program, found)
    for (label, position), depth in depths.items():
        if depth > 1:
            name = "result" if position == OUT else program.nodes[label].kernel.inputs[position].name
            found[label].append((COPIES, name, (depth - 1) * extra_value_bytes(program, label, position)))
    return found


def _of_shared_tiles(program: Program, sizes: Mapping[str, Buffers]) -> dict[str, Buffers]:
    """The same for kernels on shared tiles: each kind of operation has its code once, values are of all images."""
    present: dict[str, Flags] = {}
    found: dict[str, Buffers] = {}
    for label, own in sizes.items():
        tiles = program.placements[label].tiles[0]
        code = _added(present, "", tiles, program) * program.machine.code.base
        for kind in sorted({apply.op.name for apply in program.nodes[label].kernel.body}):
            code = code + _added(present, kind, tiles, program) * program.machine.code.operation
        found[label] = [
            (content, name, code if content == CODE else bytes if content in RESIDENT else bytes * program.images)
            for content, name, bytes in own
        ]
    return found


def _added(present: dict[str, Flags], kind: str, tiles: Shards, program: Program) -> Ints:
    """1 for tiles on which no kernel before has a kind of operation; they have it from then on."""
    flags = present.setdefault(kind, np.zeros(program.machine.tiles, np.bool_))
    new = (~flags[tiles]).astype(np.int64)
    flags[tiles] = True
    return new


def extra_value_bytes(program: Program, label: str, position: int) -> Ints:
    """Bytes on each shard's tile for one more value in the buffer of an operand, or at OUT of the result."""
    node = program.nodes[label]
    operand = None if position == OUT else position
    one = value_slot_bytes(node.kernel, operand, program.regions[label], program.residency[label])
    return np.broadcast_to(one, program.placements[label].shards)


def in_flight(program: Program, memory: Memory, pipeline: Pipeline) -> dict[str, dict[str, Ints]]:
    """`memory`, of one value in each buffer, with those that a pipeline holds beside the first."""
    found = {label: dict(contents) for label, contents in memory.items()}
    for (label, position), depth in pipeline.depths.items():
        if depth > 1:
            found[label][COPIES] = found[label][COPIES] + (depth - 1) * extra_value_bytes(program, label, position)
    return found


def footprint(program: Program) -> dict[str, dict[str, Ints]]:
    """By kernel and content, bytes on each shard's tile: those of the buffers, or of one value in each before these."""
    if not program.buffers:
        return {label: by_content(own) for label, own in buffer_sizes(program, {}).items()}
    zeros = {label: np.zeros(placement.shards, np.int64) for label, placement in program.placements.items()}
    found = {label: {content: zero.copy() for content in CONTENTS} for label, zero in zeros.items()}
    for buffer in program.buffers:
        found[buffer.kernel][buffer.content] += buffer.bytes
    return found


def table_rows(program: Program) -> dict[str, Ints]:
    """Rows of transfers that each shard's tile sends or receives; parameters are loaded before."""
    found = {label: np.zeros(placement.shards, np.int64) for label, placement in program.placements.items()}
    for edge in program.edges:
        found[edge.consumer] += np.bincount(edge.table.target, minlength=len(found[edge.consumer]))
        if edge.producer in found:
            found[edge.producer] += np.bincount(edge.table.source, minlength=len(found[edge.producer]))
    for exit in program.exits:
        if exit.producer in found:
            found[exit.producer] += np.bincount(exit.table.source, minlength=len(found[exit.producer]))
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
