"""Transfer volume of a kernel's inputs: sizes of required regions in, elements out."""

from __future__ import annotations

from itc_tile.kernels.kernel import Kernel
from itc_tile.tiling.boxes import volume
from itc_tile.tiling.sets import Ints


def received_elements(kernel: Kernel, name: str, boxes: Ints) -> Ints:
    """Elements of input `name` that a kernel receives; `boxes` [..., rank, 2] are the sizes of its required regions."""
    skipped = all(value.name != name for i, value in enumerate(kernel.inputs) if i not in kernel.shape_only)
    return volume(boxes) * (not skipped)
