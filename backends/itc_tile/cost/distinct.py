"""Which elements of every value inside a kernel are read at all: along each axis, the union over the whole result.

Windows that skip positions (a stride longer than the kernel, a resize to fewer positions, a step) leave gaps, so that
the box around the elements holds more than are read. A set of elements is the product of one mask for each axis. The
union of two products is one where they differ along one axis only; elsewhere the larger stands for both, which keeps
every count a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Apply
from itc.ir.ops.conv import Conv
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.part import Slice
from itc.ir.ops.pool import Pool
from itc.ir.ops.resize import Resize
from itc.ir.types import TensorType
from itc_tile.kernels.kernel import Kernel, data_values
from itc_tile.ops.access import ACCESS
from itc_tile.tiling.boxes import Boxes, whole
from itc_tile.tiling.partition import emptied, volume

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Product = tuple[Mask, ...]

#: Operations that may skip positions even where the whole result is wanted.
SKIPPING = (Conv, Pool, Resize, Slice)


@lru_cache(maxsize=1024)
def distinct_elements(kernel: Kernel) -> Mapping[str, Product]:
    """For every value of which elements are read, by its formal name, the positions read along each axis."""
    found = {kernel.result.name: tuple(_all(size) for size in kernel.result.tensor.shape)}
    for apply in reversed(kernel.body):
        read = {value.name for value in data_values(apply)}
        for value, product in zip(apply.values, _operands(apply, found[apply.result.name]), strict=True):
            if value.name in read:
                found[value.name] = _union(found[value.name], product) if value.name in found else product
    return found


def distinct_boxes(kernel: Kernel) -> dict[str, Boxes]:
    """For every value a box [1, rank, 2] that is as long along each axis as the number of positions read."""
    found = distinct_elements(kernel)
    values = [value for apply in kernel.body for value in (*apply.values, apply.result)]
    boxes = {}
    for value in (kernel.result, *kernel.inputs, *kernel.params, *values):
        boxes[value.name] = np.zeros((1, len(value.tensor.shape), 2), np.int64)
        boxes[value.name][0, :, 1] = [np.count_nonzero(mask) for mask in found.get(value.name, ())] or 0
    return boxes


def count(product: Product | None, boxes: Boxes) -> Ints:
    """How many elements of each box [..., rank, 2] are in a product; no product holds nothing."""
    if product is None:
        return np.zeros(boxes.shape[:-2], np.int64)
    if all(mask.all() for mask in product):
        return volume(boxes)
    counts = np.ones(boxes.shape[:-2], np.int64)
    for axis, mask in enumerate(product):
        before = np.concatenate([[0], np.cumsum(mask)])
        counts *= np.maximum(before[boxes[..., axis, 1]] - before[boxes[..., axis, 0]], 0)
    return counts


def _all(size: int) -> Mask:
    return np.broadcast_to(np.True_, (size,))


def _operands(apply: Apply, result: Product) -> list[Product]:
    """What an operation reads of each operand for some positions of its result."""
    types = [value.tensor for value in apply.values]
    by_part = [_reads(apply, types, boxes) for boxes in _parts(apply, result)]
    products = [
        tuple(np.logical_and.reduce(masks) for masks in zip(*each, strict=True)) for each in zip(*by_part, strict=True)
    ]
    if isinstance(apply.op, Conv | ConvTranspose):
        products[0] = (*products[0][:-2], *_under_taps(apply.op, types, result, products[0]))
    return products


def _parts(apply: Apply, result: Product) -> Iterator[Boxes]:
    """Boxes of a result: all of it, and where there can be gaps for each axis every position that is read."""
    box = whole(apply.result.tensor.shape, (1,))
    yield box
    if isinstance(apply.op, SKIPPING) or not all(mask.all() for mask in result):
        for axis, mask in enumerate(result):
            at = np.flatnonzero(mask)
            boxes = np.repeat(box, len(at), axis=0)
            boxes[:, axis] = at[:, None] + [0, 1]
            yield boxes


def _reads(apply: Apply, types: Sequence[TensorType], boxes: Boxes) -> list[Product]:
    """Of each operand, along each axis, the positions that any of the boxes needs."""
    rule = ACCESS[type(apply.op)]
    return [
        tuple(_covered(read[:, axis], size) for axis, size in enumerate(type.shape))
        for read, type in zip(map(emptied, rule(apply.op, types, boxes)), types, strict=True)
    ]


def _covered(intervals: Ints, size: int) -> Mask:
    """The positions that some interval [n, 2] holds."""
    if np.any((intervals[:, 0] == 0) & (intervals[:, 1] == size)):
        return _all(size)
    changes = np.zeros(size + 1, np.int64)
    np.add.at(changes, intervals[:, 0], 1)
    np.subtract.at(changes, intervals[:, 1], 1)
    return np.asarray(np.cumsum(changes[:-1]) > 0)


def _under_taps(op: Conv | ConvTranspose, types: Sequence[TensorType], result: Product, read: Product) -> list[Mask]:
    """Rows and columns that some tap of a dilated window is on; windows without dilation have no gaps within."""
    masks = []
    for axis, k, s, p, d in zip((-2, -1), types[1].shape[2:], op.stride, op.pad, op.dilation, strict=True):
        mask = read[axis]
        if d > 1:
            mask = np.zeros(len(mask), bool)
            for shift in range(-p, -p + d * k, d):
                if isinstance(op, Conv):
                    at = np.flatnonzero(result[axis]) * s + shift
                    mask[at[(at >= 0) & (at < len(mask))]] = True
                else:
                    at = np.arange(len(mask)) * s + shift
                    within = (at >= 0) & (at < len(result[axis]))
                    mask[within] |= result[axis][at[within]]
        masks.append(mask)
    return masks


def _union(left: Product, right: Product) -> Product:
    """Both products where that is a product, else the larger one."""
    differing = sum(not np.array_equal(a, b) for a, b in zip(left, right, strict=True))
    if differing <= 1:
        return tuple(a | b for a, b in zip(left, right, strict=True))
    return max(left, right, key=lambda product: prod(int(np.count_nonzero(mask)) for mask in product))
