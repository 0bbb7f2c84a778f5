"""Boxes of whole tensors, of nothing, and of what does not leave a tensor: the pieces that access rules are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from itc.ir.types import TensorType

Boxes = NDArray[np.int64]


def clipped(boxes: Boxes, shape: tuple[int, ...]) -> Boxes:
    """The boxes without what leaves a tensor of `shape`."""
    return np.clip(boxes, 0, np.array(shape, np.int64).reshape(-1, 1))


def whole(shape: tuple[int, ...], leading: tuple[int, ...]) -> Boxes:
    """For each of `leading` the box of a whole tensor."""
    box = np.array([[0, size] for size in shape], np.int64).reshape(-1, 2)
    return np.broadcast_to(box, (*leading, *box.shape)).copy()


def nothing(type: TensorType, boxes: Boxes) -> Boxes:
    """For each of `boxes` an empty box of an operand of `type`."""
    return np.zeros((*boxes.shape[:-2], len(type.shape), 2), np.int64)


def multiples(bounds: Boxes, step: int) -> Boxes:
    """Bounds [..., 2] made wider, to the next multiples of `step`."""
    return np.stack([bounds[..., 0] // step * step, -(-bounds[..., 1] // step) * step], axis=-1)


def emptied(boxes: Boxes) -> Boxes:
    """The boxes, with zeros for those that hold nothing."""
    return boxes * ~is_empty(boxes)


def intersection(left: Boxes, right: Boxes) -> Boxes:
    """The boxes of what both hold."""
    first = np.maximum(left[..., 0], right[..., 0])
    return emptied(np.stack([first, np.minimum(left[..., 1], right[..., 1])], axis=-1))


def is_empty(boxes: Boxes) -> NDArray[np.bool_]:
    """Whether a box holds nothing, as [..., 1, 1]; the one place of a scalar is something."""
    return np.asarray(np.logical_or.reduce(boxes[..., 0] >= boxes[..., 1], axis=-1))[..., None, None]


def volume(boxes: Boxes) -> NDArray[np.int64]:
    """Elements of each box."""
    return np.asarray(np.multiply.reduce(np.maximum(boxes[..., 1] - boxes[..., 0], 0), axis=-1))


def extent(boxes: Boxes, axis: int) -> NDArray[np.int64]:
    """Length of each box along an axis."""
    return np.asarray(np.maximum(boxes[..., axis, 1] - boxes[..., axis, 0], 0))
