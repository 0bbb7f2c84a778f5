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
