"""How a result is split over shards, and which part of every value of a kernel each shard then needs.

Parts of the result are boxes: for each axis the first position and the one behind the last. Boxes are int64 arrays
[..., rank, 2]; leading axes are shards, or candidates of a planner. An empty box is all zeros. Parts of what is read
are regions: where windows skip positions along an axis, these are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.read_regions import reads
from itc_tile.ops.record import tile_op
from itc_tile.tiling.boxes import Boxes, emptied, nothing
from itc_tile.tiling.region import Region, union


@dataclass(frozen=True, slots=True, order=True)
class Split:
    """Into how many parts the axes of a result are cut: maps along all three, vectors along their channels, tokens
    along their channels and, with `rows`, from token to token."""

    channels: int = 1
    rows: int = 1
    columns: int = 1

    @property
    def shards(self) -> int:
        return self.channels * self.rows * self.columns

    def parts(self, rank: int) -> tuple[int, ...]:
        """The number of parts along each axis of a tensor of `rank` axes."""
        if rank < 3:
            parts = (self.rows, self.channels)[2 - rank :]
        else:
            parts = (*(1,) * (rank - 3), self.channels, self.rows, self.columns)
        assert self.shards == np.prod(parts, dtype=int), f"{self} of a tensor of {rank} axes"
        return parts

    def __str__(self) -> str:
        return f"{self.channels} x {self.rows} x {self.columns}"


def partition(shape: tuple[int, ...], split: Split, step: int = 1) -> Boxes:
    """Boxes [shards, rank, 2] of a result of `shape`, all but equal in size, the last axis fastest.

    The cuts between channels are at multiples of `step`. A part is empty only where there are more parts than places.
    """
    parts = split.parts(len(shape))
    if not shape:
        return np.zeros((split.shards, 0, 2), np.int64)
    channel_axis = len(shape) - (3 if len(shape) >= 3 else 1)
    steps = [step if axis == channel_axis else 1 for axis in range(len(shape))]
    cuts = [_cuts(size, part, unit) for size, part, unit in zip(shape, parts, steps, strict=True)]
    boxes = np.zeros((split.shards, len(shape), 2), np.int64)
    for axis, places in enumerate(np.indices(parts).reshape(len(shape), split.shards)):
        boxes[:, axis] = cuts[axis][places[:, None] + [0, 1]]
    return emptied(boxes)


def _cuts(size: int, parts: int, step: int) -> NDArray[np.int64]:
    """Where each part of an axis begins, and the end of the last."""
    units = -(-size // step)
    return np.minimum(np.arange(parts + 1) * units // parts * step, size)


def granularity(kernel: Kernel) -> int:
    """The number of channels that a split keeps together: those of one group of a grouped convolution."""
    anchor = kernel.anchor
    return tile_op(anchor.op).granularity(anchor.op, anchor.result.tensor) if anchor else 1


def held(kernel: Kernel, boxes: Boxes) -> dict[str, Region]:
    """For every value inside `kernel`, by its formal name, what each box of the result needs.

    Of a value with several readers that is, along each axis, what any of them needs.
    """
    found = {kernel.result.name: Region(boxes)}
    for apply in reversed(kernel.body):
        types = [value.tensor for value in apply.values]
        for value, read in zip(apply.values, reads(apply.op, types, found[apply.result.name]), strict=True):
            known = found.get(value.name)
            found[value.name] = union(known, read, value.tensor.shape) if known else read
    unread = {value.name: value.tensor for value in kernel.inputs if value.name not in found}
    return found | {name: Region(nothing(tensor, boxes)) for name, tensor in unread.items()}


def needed(kernel: Kernel, boxes: Boxes) -> dict[str, Boxes]:
    """The sizes of `held`, as boxes: as long along each axis as there are positions, from the first of them on."""
    return {name: region.extents for name, region in held(kernel, boxes).items()}
