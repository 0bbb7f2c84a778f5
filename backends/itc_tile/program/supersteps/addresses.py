"""Buffer assignment of a bulk-synchronous program: buffers with disjoint lifetimes share addresses of a tile.

Resident buffers lie one behind the other on every tile. Behind them, the others have one offset for all tiles of their
kernel: the largest first, each at the lowest offset at which it meets no buffer that lives at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from itc_tile.cost.memory import RESIDENT, Buffers
from itc_tile.program.footprint import Flags, FullestTile, buffer_sizes
from itc_tile.program.program import Buffer, Program, Shards
from itc_tile.program.supersteps.lifetimes import Interval, Lifetimes, meet
from itc_tile.tiling.sets import Ints


@dataclass(frozen=True, eq=False)
class _Transient:
    """A buffer that is not resident: its bytes on each shard's tile, its lifetime, and its tiles from first to last."""

    label: str
    content: str
    name: str
    bytes: Ints
    lifetime: tuple[Interval, ...]
    tiles: Interval

    @property
    def most(self) -> int:
        return int(self.bytes.max())


def shared_addresses(program: Program) -> Program:
    """The program with an address for every buffer."""
    sizes = buffer_sizes(program, {})
    filled = np.zeros(program.machine.tiles, np.int64)
    resident = list(_resident(program, sizes, filled))
    transients = list(_transients(program, sizes))
    offsets = _offsets(transients).tolist()
    shared = (
        Buffer(
            each.label, each.content, each.name, filled[program.placements[each.label].tiles[0]] + offset, each.bytes
        )
        for each, offset in zip(transients, offsets, strict=True)
    )
    return replace(program, buffers=(*resident, *shared))


def _resident(program: Program, sizes: Mapping[str, Buffers], filled: Shards) -> Iterator[Buffer]:
    """Resident buffers behind what fills each tile; `filled` grows."""
    for label, own in sizes.items():
        tiles = program.placements[label].tiles[0]
        for content, name, bytes in own:
            if content in RESIDENT and bytes.any():
                yield Buffer(label, content, name, filled[tiles], bytes)
                filled[tiles] += bytes


def _transients(program: Program, sizes: Mapping[str, Buffers]) -> Iterator[_Transient]:
    lifetimes = Lifetimes(program)
    for label, own in sizes.items():
        tiles = program.placements[label].tiles[0]
        ends = (int(tiles.min()), int(tiles.max()))
        for content, name, bytes in own:
            if content not in RESIDENT and bytes.any():
                yield _Transient(label, content, name, bytes, lifetimes.of(label, content, name), ends)


def _offsets(transients: Sequence[_Transient]) -> Shards:
    """First fit in order of decreasing size."""
    sizes = np.array([each.most for each in transients], np.int64)
    offsets, placed = np.zeros_like(sizes), np.zeros(len(sizes), np.bool_)
    meeting = _Meeting.of(transients)
    for index in np.argsort(-sizes, kind="stable").tolist():
        others = np.flatnonzero(meeting.with_(transients[index]) & placed)
        order = others[np.argsort(offsets[others], kind="stable")]
        for first, end in zip(offsets[order].tolist(), (offsets + sizes)[order].tolist(), strict=True):
            if offsets[index] + sizes[index] <= first:
                break
            offsets[index] = max(offsets[index], end)
        placed[index] = True
    return offsets


@dataclass(frozen=True, eq=False)
class _Meeting:
    """The intervals of all lifetimes, with the number of the buffer of each, and the tiles of all buffers."""

    owner: Ints
    begin: Ints
    end: Ints
    tiles: Ints

    @classmethod
    def of(cls, transients: Sequence[_Transient]) -> _Meeting:
        lives = [(i, begin, end) for i, each in enumerate(transients) for begin, end in each.lifetime]
        owner, begin, end = np.array(lives, np.int64).reshape(-1, 3).T
        return cls(owner, begin, end, np.array([each.tiles for each in transients], np.int64).reshape(-1, 2))

    def with_(self, own: _Transient) -> Flags:
        """Which buffers live at a time, and may be on a tile, at which another one does."""
        found = np.zeros(len(self.tiles), np.bool_)
        for begin, end in own.lifetime:
            found[self.owner[(self.begin <= end) & (begin <= self.end)]] = True
        return found & (self.tiles[:, 0] <= own.tiles[1]) & (self.tiles[:, 1] >= own.tiles[0])


def occupied(program: Program) -> Shards:
    """For each tile the address behind the last of its buffers, in the first group of tiles."""
    found = np.zeros(program.machine.tiles, np.int64)
    for buffer in program.buffers:
        np.maximum.at(found, program.placements[buffer.kernel].tiles[0], buffer.address + buffer.bytes)
    return found


def fullest_point(program: Program) -> FullestTile:
    """The tile with the highest address, and what it holds at the point at which it holds most."""
    addresses = occupied(program)
    tile = int(np.argmax(addresses))
    lifetimes = Lifetimes(program)
    present = [(buffer, size) for buffer in program.buffers if (size := _bytes_on(program, buffer, tile))]
    lives = [lifetimes.of(buffer.kernel, buffer.content, buffer.name) for buffer, _ in present]
    held = np.zeros(lifetimes.points.count + 2, np.int64)
    for (_, size), lifetime in zip(present, lives, strict=True):
        held[_points(lifetime, len(held))] += size
    point = int(np.argmax(held))
    living = [each for each, lifetime in zip(present, lives, strict=True) if meet(lifetime, [(point, point)])]
    contents: dict[str, int] = {}
    for buffer, size in living:
        contents[buffer.content] = contents.get(buffer.content, 0) + size
    kernel = max(living, key=lambda each: (each[0].content not in RESIDENT, each[1]))[0].kernel if living else ""
    kernel = kernel or next(iter(program.nodes))
    shard = int(np.argmax(program.placements[kernel].tiles[0] == tile))
    return FullestTile(kernel, shard, tile, int(addresses[tile]), contents)


def _points(lifetime: tuple[Interval, ...], count: int) -> Flags:
    """Mask of the points of a lifetime."""
    found = np.zeros(count, np.bool_)
    for begin, end in lifetime:
        found[begin : end + 1] = True
    return found


def _bytes_on(program: Program, buffer: Buffer, tile: int) -> int:
    return int(buffer.bytes[program.placements[buffer.kernel].tiles[0] == tile].sum())
