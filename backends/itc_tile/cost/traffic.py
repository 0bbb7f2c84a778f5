"""How much of a kernel's inputs an exchange brings: the sizes of what shards hold go in, elements come out."""

from __future__ import annotations

from itc_tile.kernels.kernel import Kernel
from itc_tile.tiling.boxes import volume
from itc_tile.tiling.sets import Ints


def wanted_elements(kernel: Kernel, name: str, boxes: Ints) -> Ints:
    """Elements of the input `name` that the kernel takes in, where `boxes` [..., rank, 2] are the sizes of it held."""
    skipped = all(value.name != name for i, value in enumerate(kernel.inputs) if i not in kernel.shape_only)
    return volume(boxes) * (not skipped)
