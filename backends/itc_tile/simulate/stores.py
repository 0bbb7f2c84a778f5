"""Stores of a kernel's tiles while a program runs: stacks of shards, and which elements have been written.

Every shard is a tile. A tile's share of a stack is its own memory: nothing here reads one tile's for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array
from itc_tile.program.program import TransferTable
from itc_tile.tiling.moves import Moves, inside, largest
from itc_tile.tiling.region import Region

Flags = NDArray[np.bool_]


class TileReadError(Exception):
    """A tile read an element that no transfer wrote: a fault of the program. `tile` is None for the host."""

    def __init__(self, tile: int | None, kernel: str, value: str, box: tuple[tuple[int, int], ...]) -> None:
        where = "the host" if tile is None else f"tile {tile}"
        positions = " x ".join(f"{first}..{end - 1}" for first, end in box)
        super().__init__(f"{where} reads [{positions}] of {value} for {kernel}, where no copy wrote")
        self.tile = tile
        self.kernel = kernel
        self.value = value
        self.box = box


class Route:
    """The rows of a table between two stacks."""

    def __init__(self, held: Region, into: Region, copies: TransferTable) -> None:
        self.moves = Moves(held, copies.source, into, copies.target, copies.region)


class Buffer:
    """A stack [shards, batch, ...] that copies write and one reader reads.

    Shard i holds part i of `region` of `value`. A version names the one value that is awaited; elements count as
    written when a copy brought them for that version. Which routes together bring all of them is found once: no store
    keeps a flag for each element.
    """

    def __init__(self, region: Region, value: str, reader: str, tiles: Sequence[int | None]) -> None:
        self.region = region
        self.value = value
        self.reader = reader
        self.tiles = tiles
        self.data: Array = np.zeros(0, np.float32)
        self.version = -1
        self._events: list[Route | Flags] = []  # routes that arrived, and shards that lost all before
        self._complete: dict[tuple[int, ...], list[Route | Flags]] = {}

    def await_version(self, version: int) -> None:
        """Switches to another value, of which no element has been written."""
        self.version = version
        self._events = []

    def lose(self, shards: Flags) -> None:
        """Other values have been written to the memory of some shards: nothing of them can be read any more."""
        since = takewhile(lambda event: not isinstance(event, Route), reversed(self._events))
        if not any(event is shards for event in since):
            self._events.append(shards)

    def make_room(self, batch: int, dtype: np.dtype[Any] | None = None) -> None:
        """Takes the size of a batch; what is there already stays if it has it."""
        shape = (len(self.region.boxes), batch, *largest(self.region.boxes))
        if self.data.shape != shape or (dtype is not None and self.data.dtype != dtype):
            self.data = np.zeros(shape, dtype or np.float32)

    def receive(self, route: Route, source: Array, batch: int) -> None:
        """Runs the copies of `route` from a stack of the producer's."""
        self.make_room(batch, source.dtype)
        route.moves.run(source, self.data)
        self._events.append(route)

    def read(self, version: int) -> Array:
        """The stack, if all that its shards hold has arrived for `version`; raises TileReadError."""
        events = list(self._events) if version == self.version else []
        key = tuple(map(id, events))
        if key not in self._complete:
            missing = inside(self.region.boxes) & ~self._written(events)
            if missing.any():
                raise self._error(missing)
            self._complete[key] = events  # which keeps the objects, and so their ids
        return self.data

    def _written(self, events: Sequence[Route | Flags]) -> Flags:
        """The elements of each shard that are there after these events."""
        written = np.zeros_like(inside(self.region.boxes))
        for event in events:
            if isinstance(event, Route):
                written |= event.moves.cover(self.region.boxes)
            else:
                written[event] = False
        return written

    def _error(self, missing: Flags) -> TileReadError:
        """The first tile that lacks something, and the box around what it lacks."""
        shard = int(np.flatnonzero(missing.reshape(len(missing), -1).any(axis=1))[0])
        positions = self.region.positions(shard)
        lacking = zip(positions, np.argwhere(missing[shard]).T, strict=True)
        box = tuple((int(at[index.min()]), int(at[index.max()]) + 1) for at, index in lacking)
        return TileReadError(self.tiles[shard], self.reader, self.value, box)
