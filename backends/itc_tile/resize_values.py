"""Resizing on stacks of shards [shards, batch, channels, rows, columns]: each takes the places of its own box."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from itc.ir.op import Array
from itc.ir.ops.resize import Resize, linear_source, nearest_source
from itc_tile.evaluation import Evaluation, Shards, Stacks, places_of


def resize(shards: Shards) -> Evaluation:
    op: Resize = shards.op
    along = _nearest if op.mode == "nearest" else _bilinear
    targets = op.sizes(*(type.shape for type in shards.types))
    resizing = [along(shards, axis, target) for axis, target in zip((-2, -1), targets, strict=True)]

    def run(stacks: Stacks) -> Array:
        x = stacks[0]
        for one in resizing:
            x = one(x)
        return x

    return Evaluation(run, shards.read)


def _nearest(shards: Shards, axis: int, target: int) -> Callable[[Array], Array]:
    read, made = shards.read[0][:, axis], shards.made[:, axis]
    source = nearest_source(shards.types[0].shape[axis], target)[np.minimum(places_of(made), target - 1)]
    places = np.clip(source - read[:, :1], 0, max(0, int((read[:, 1] - read[:, 0]).max()) - 1))
    patterns, kind = np.unique(places, axis=0, return_inverse=True)
    members = [np.flatnonzero(kind.reshape(-1) == number) for number in range(len(patterns))]

    def run(x: Array) -> Array:
        shape = list(x.shape)
        shape[axis] = places.shape[1]
        out = np.empty(shape, x.dtype)
        for pattern, rows in zip(patterns, members, strict=True):
            out[rows] = x[rows].take(pattern, axis)
        return out

    return run


def _bilinear(shards: Shards, axis: int, target: int) -> Callable[[Array], Array]:
    """As a product with a matrix [shards, made, read] of two weights a row."""
    read, made = shards.read[0][:, axis], shards.made[:, axis]
    low, high, weight = linear_source(shards.types[0].shape[axis], target)
    places = np.minimum(places_of(made), target - 1)
    matrix = np.zeros((*places.shape, int((read[:, 1] - read[:, 0]).max())))
    shard, place = np.meshgrid(*(np.arange(size) for size in places.shape), indexing="ij")
    for source, share in ((low, 1 - weight), (high, weight)):
        at = source[places] - read[:, :1]
        held = (at >= 0) & (at < (read[:, 1] - read[:, 0])[:, None])
        np.add.at(matrix, (shard[held], place[held], at[held]), share[places][held])
    matrix = matrix[:, None, None]

    def run(x: Array) -> Array:
        weights = matrix.astype(x.dtype)
        out: Array = np.matmul(weights, x) if axis == -2 else np.matmul(x, weights.swapaxes(-1, -2))
        return out

    return run
