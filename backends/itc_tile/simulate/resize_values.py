"""Resizing on stacks of shards [shards, batch, channels, rows, columns]: each takes the places of its own box."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array
from itc.ir.ops.resize import Resize
from itc_tile.simulate.evaluation import Evaluation, Shards, Stacks, places_of

Along = Callable[[Array], Array]


def resize(shards: Shards) -> Evaluation:
    op: Resize = shards.op
    along = _nearest if op.mode == "nearest" else _bilinear
    down, across = op.sizes(*(type.shape for type in shards.types))
    rows, columns = along(shards, -2, down), along(shards, -1, across)

    def run(stacks: Stacks) -> Array:
        return rows(columns(stacks[0]))

    return Evaluation(run, shards.read)


def _nearest(shards: Shards, axis: int, target: int) -> Along:
    return _Take(shards, axis, shards.op.nearest_source(shards.types[0].shape[axis], target)).run


def _bilinear(shards: Shards, axis: int, target: int) -> Along:
    low, high, weight = shards.op.linear_source(shards.types[0].shape[axis], target)
    first, second = _Take(shards, axis, low), _Take(shards, axis, high)
    shares = weight[np.minimum(places_of(shards.made[:, axis]), target - 1)]
    shares = shares[:, None, None, :, None] if axis == -2 else shares[:, None, None, None, :]

    def run(x: Array) -> Array:
        share = shares.astype(x.dtype)
        out: Array = first.run(x)
        out *= 1 - share
        out += second.run(x) * share
        return out

    return run


class _Take:
    """Along one axis, takes for each place of a shard's result the place `source` of the map from what it holds."""

    def __init__(self, shards: Shards, axis: int, source: NDArray[np.int64]) -> None:
        self.axis = axis
        read, made = shards.read[0][:, axis], shards.made[:, axis]
        places = source[np.minimum(places_of(made), len(source) - 1)] - read[:, :1]
        places = np.clip(places, 0, int((read[:, 1] - read[:, 0]).max()) - 1)
        self.patterns, kind = np.unique(places, axis=0, return_inverse=True)
        self.members = [np.flatnonzero(kind.reshape(-1) == number) for number in range(len(self.patterns))]

    def run(self, x: Array) -> Array:
        shape = list(x.shape)
        shape[self.axis] = self.patterns.shape[1]
        out = np.empty(shape, x.dtype)
        for pattern, rows in zip(self.patterns, self.members, strict=True):
            out[rows] = x[rows].take(pattern, self.axis)
        return out
