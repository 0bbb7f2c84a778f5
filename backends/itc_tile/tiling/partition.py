"""How a result is split over shards, and which part of every value of a kernel each shard then needs.

A part is a box: for each axis its first place and the one behind its last. Boxes are int64 arrays [..., rank, 2];
leading axes are shards, or candidates of a planner. An empty box is all zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from itc.ir.ops.conv import Conv
from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.access import ACCESS

Boxes = NDArray[np.int64]


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
    if anchor is None or not isinstance(anchor.op, Conv) or anchor.op.groups == 1:
        return 1
    return anchor.result.tensor.channels // anchor.op.groups


def needed(kernel: Kernel, boxes: Boxes) -> dict[str, Boxes]:
    """For every value inside `kernel`, by its formal name, the box that each box of the result needs.

    Several readers need the smallest box around what they need. Boxes end where their map does.
    """
    regions = {kernel.result.name: boxes}
    for apply in reversed(kernel.body):
        rule = ACCESS[type(apply.op)]
        types = [value.tensor for value in apply.values]
        result = regions[apply.result.name]
        for value, read in zip(apply.values, rule(apply.op, types, result), strict=True):
            some = emptied(read) * ~is_empty(result)
            regions[value.name] = around(regions[value.name], some) if value.name in regions else some
    nothing = {value.name: value.tensor for value in kernel.inputs if value.name not in regions}
    return regions | {name: np.zeros((*boxes.shape[:-2], len(t.shape), 2), np.int64) for name, t in nothing.items()}


def emptied(boxes: Boxes) -> Boxes:
    """The boxes, with zeros for those that hold nothing."""
    return boxes * ~is_empty(boxes)


def around(left: Boxes, right: Boxes) -> Boxes:
    """The smallest boxes that hold both."""
    first = np.minimum(left[..., 0], right[..., 0])
    end = np.maximum(left[..., 1], right[..., 1])
    both = np.stack([first, end], axis=-1)
    return np.where(is_empty(left), right, np.where(is_empty(right), left, both))


def intersection(left: Boxes, right: Boxes) -> Boxes:
    """The boxes of what both hold."""
    first = np.maximum(left[..., 0], right[..., 0])
    return emptied(np.stack([first, np.minimum(left[..., 1], right[..., 1])], axis=-1))


def is_empty(boxes: Boxes) -> NDArray[np.bool_]:
    """Whether a box holds nothing, as [..., 1, 1]; the one place of a scalar is something."""
    return np.asarray(np.any(boxes[..., 0] >= boxes[..., 1], axis=-1, keepdims=True)[..., None], np.bool_)


def volume(boxes: Boxes) -> NDArray[np.int64]:
    """Elements of each box."""
    return np.asarray(np.prod(np.maximum(boxes[..., 1] - boxes[..., 0], 0), axis=-1), np.int64)
