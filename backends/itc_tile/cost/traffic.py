"""How many bytes an exchange moves: boxes of a kernel's inputs go in, the elements that it really takes come out.

A box is what stands between the first and the last element that a shard reads. A nearest resize to fewer places reads
only some of them, and only those are sent.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from itc.ir.net import Apply
from itc.ir.ops.resize import Resize
from itc_tile.cost.cycles import Ints, sizes
from itc_tile.kernels.kernel import Kernel, data_values


def wanted_elements(kernel: Kernel, name: str, boxes: Ints) -> Ints:
    """Elements of `boxes` [..., rank, 2] of the input `name` that the kernel reads."""
    if not any(value.name == name for i, value in enumerate(kernel.inputs) if i not in kernel.shape_only):
        return np.zeros(boxes.shape[:-2], np.int64)
    counts = _wanted_counts(kernel, name)
    if counts is None:
        return sizes(boxes)
    channels = sizes(boxes[..., :-2, :])
    return np.asarray(channels * _between(counts[0], boxes[..., -2, :]) * _between(counts[1], boxes[..., -1, :]))


def _between(counts: Ints, places: Ints) -> Ints:
    return np.asarray(np.maximum(counts[places[..., 1]] - counts[places[..., 0]], 0))


@lru_cache(maxsize=1024)
def _wanted_counts(kernel: Kernel, name: str) -> tuple[Ints, Ints] | None:
    """For rows and columns how many of the places before each are read; None where all are."""
    readers = [apply for apply in kernel.body if any(value.name == name for value in data_values(apply))]
    ops = [apply.op for apply in readers if isinstance(apply.op, Resize) and apply.op.mode == "nearest"]
    if not readers or len(ops) < len(readers):
        return None
    shape = readers[0].values[0].tensor.shape
    rows, columns = (np.zeros(shape[axis], bool) for axis in (-2, -1))
    for op, apply in zip(ops, readers, strict=True):
        height, width = _sizes(apply)
        rows[op.nearest_source(shape[-2], height)] = True
        columns[op.nearest_source(shape[-1], width)] = True
    return _before(rows), _before(columns)


def _sizes(apply: Apply) -> tuple[int, int]:
    height, width = apply.result.tensor.shape[-2:]
    return height, width


def _before(read: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Ints:
    return np.concatenate([[0], np.cumsum(read)]).astype(np.int64)
