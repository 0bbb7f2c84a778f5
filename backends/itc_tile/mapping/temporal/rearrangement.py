"""Estimates of a transfer between layouts of a value, without its tables: shard i of each layout is on tile i.

What a tile requires and has produced itself is copied, the rest is received. Producers are taken to send alike. On a
grid a byte passes the links between its tile and the tile of the shard that has the centre of the required region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from itc_tile.machine.model import Machine
from itc_tile.machine.network import hops
from itc_tile.tiling.boxes import Boxes, intersection, volume
from itc_tile.tiling.partition import Split
from itc_tile.tiling.sets import Ints

Floats = NDArray[np.float64]
IMBALANCE = 2  # of the fullest link over the mean


@dataclass(frozen=True, eq=False)
class Produced:
    """The layout of a value: a split, and the box that each of its shards produces."""

    split: Split
    boxes: Boxes


@dataclass(frozen=True, eq=False)
class Required:
    """What several layouts of a reader require of an operand, one behind the other.

    `shard` is the number within the layout, `hulls` and `bytes` are those of one shard; `begins` are those of layouts.
    """

    shard: Ints
    hulls: Boxes
    bytes: Ints
    element: int
    begins: Ints

    @classmethod
    def of(cls, hulls: Sequence[Boxes], extents: Sequence[Boxes], element: int) -> Required:
        counts = [len(each) for each in hulls]
        shard = np.concatenate([np.arange(count) for count in counts])
        bytes = volume(np.concatenate(extents)) * element
        return cls(shard, np.concatenate(hulls), bytes, element, np.cumsum([0, *counts[:-1]]))


def rearrangement_cycles(source: Produced, target: Required, images: int, machine: Machine) -> Floats:
    """Cycles from the layout of a producer to each layout of a reader."""
    boxes = np.zeros_like(target.hulls)
    there = target.shard < len(source.boxes)
    boxes[there] = source.boxes[target.shard[there]]
    local = np.minimum(volume(intersection(boxes, target.hulls)) * target.element, target.bytes)
    received = (target.bytes - local) * images
    total = np.add.reduceat(received, target.begins)
    sent: Floats = total / len(source.boxes)
    exchange = machine.exchange
    if exchange.multicast:
        sent = np.minimum(sent, float(volume(source.boxes).max()) * target.element * images)
    load = np.maximum(sent, np.maximum.reduceat(received, target.begins))
    fixed: Floats = np.full(len(total), float(exchange.sync + exchange.latency))
    if exchange.network != "all-to-all":
        distance = hops(machine, _central_shard(source, target.hulls), target.shard) + (received > 0)
        links = np.add.reduceat(distance * received, target.begins)
        load = np.maximum(load, IMBALANCE * links / (4 * machine.tiles))
        fixed += exchange.hop * np.maximum.reduceat(distance, target.begins)
    copied = np.maximum.reduceat(local, target.begins) * images / min(machine.tile.load, machine.tile.store)
    return np.asarray(copied + (total > 0) * (fixed + load / exchange.bandwidth))


def transfer_rows(source: Produced, target: Required) -> Floats:
    """For each layout of a reader the rows of the transfer that its busiest tile receives."""
    sizes, rows = source.boxes[..., 1].max(axis=0), np.ones(len(target.hulls), np.int64)
    for axis, count in enumerate(source.split.parts(target.hulls.shape[-2])):
        first, end = (_part(target.hulls[:, axis, side] - side, int(sizes[axis]), count) for side in (0, 1))
        rows *= np.maximum(end - first + 1, 1)
    return np.maximum.reduceat(rows, target.begins).astype(np.float64)


def _central_shard(source: Produced, hull: Boxes) -> Ints:
    """For each required region the shard that produces its centre."""
    sizes = source.boxes[..., 1].max(axis=0)
    centre = hull.sum(axis=-1) // 2
    shard = np.zeros(len(hull), np.int64)
    for axis, count in enumerate(source.split.parts(hull.shape[-2])):
        shard = shard * count + _part(centre[:, axis], int(sizes[axis]), count)
    return shard


def _part(positions: Ints, size: int, count: int) -> Ints:
    """The part of an axis of `size`, cut into `count` parts, that has each position."""
    return np.minimum(np.clip(positions, 0, max(size - 1, 0)) * count // max(1, size), count - 1)
