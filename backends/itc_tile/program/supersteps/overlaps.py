"""Which buffers of a bulk-synchronous program have addresses of a tile in common.

Resident buffers must be disjoint on every tile, which one sort shows. The others are compared with each other all at
once, and with resident ones only where they begin below the end of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from itc_tile.cost.memory import RESIDENT
from itc_tile.program.program import Buffer, Program, Shards

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The overlaps of the buffers of a program; buffers are numbered as the program lists them."""

    program: Program

    @cached_property
    def transient(self) -> list[int]:
        """The buffers that are not resident."""
        return [i for i, buffer in enumerate(self.program.buffers) if buffer.content not in RESIDENT]

    @cached_property
    def resident(self) -> list[int]:
        return [i for i, buffer in enumerate(self.program.buffers) if buffer.content in RESIDENT]

    def tiles(self, index: int) -> Shards:
        return np.asarray(self.program.placements[self.program.buffers[index].kernel].tiles[0])

    def of(self, index: int) -> Iterator[tuple[int, Flags]]:
        """The other buffers that share an address with a transient one, and for which of their shards."""
        yield from self._among(index, self._transients)
        if self._below_residents(index):
            yield from self._among(index, _Listed.of(self, self.resident))

    @cached_property
    def residents_apart(self) -> bool:
        """Whether no two resident buffers of a tile overlap."""
        listed = _Listed.of(self, self.resident)
        order = np.lexsort((listed.first, listed.tile))
        tile, first, end = listed.tile[order], listed.first[order], listed.end[order]
        some = first < end
        tile, first, end = tile[some], first[some], end[some]
        return not ((tile[1:] == tile[:-1]) & (first[1:] < end[:-1])).any()

    @cached_property
    def _transients(self) -> _Listed:
        return _Listed.of(self, self.transient)

    @cached_property
    def _filled(self) -> Shards:
        """For each tile the address behind its last resident buffer."""
        listed = _Listed.of(self, self.resident)
        found = np.zeros(self.program.machine.tiles, np.int64)
        np.maximum.at(found, listed.tile, listed.end)
        return found

    def _below_residents(self, index: int) -> bool:
        return bool((self.program.buffers[index].address < self._filled[self.tiles(index)]).any())

    def _among(self, index: int, listed: _Listed) -> Iterator[tuple[int, Flags]]:
        buffer, tiles = self.program.buffers[index], self.tiles(index)
        first, end = np.zeros((2, self.program.machine.tiles), np.int64)
        first[tiles], end[tiles] = buffer.address, np.where(buffer.bytes > 0, buffer.address + buffer.bytes, 0)
        sharing = (first[listed.tile] < listed.end) & (listed.first < end[listed.tile])
        if not sharing.any():
            return
        some = np.logical_or.reduceat(sharing, listed.begins[:-1])
        for position in np.flatnonzero(some).tolist():
            other = listed.buffers[position]
            if other != index:
                yield other, sharing[listed.begins[position] : listed.begins[position + 1]]


@dataclass(frozen=True, eq=False)
class _Listed:
    """Some buffers, one behind the other: tile, first address and end of each shard; `begins` are those of buffers."""

    buffers: Sequence[int]
    tile: Shards
    first: Shards
    end: Shards
    begins: Shards

    @classmethod
    def of(cls, overlaps: Overlaps, indices: Sequence[int]) -> _Listed:
        buffers: list[Buffer] = [overlaps.program.buffers[index] for index in indices]
        none = [np.zeros(0, np.int64)]
        first = np.concatenate([buffer.address for buffer in buffers] or none)
        bytes = np.concatenate([buffer.bytes for buffer in buffers] or none)
        tile = np.concatenate([overlaps.tiles(index) for index in indices] or none)
        begins = np.cumsum([0, *(len(buffer.bytes) for buffer in buffers)])
        return cls(indices, tile, first, np.where(bytes > 0, first + bytes, 0), begins)
