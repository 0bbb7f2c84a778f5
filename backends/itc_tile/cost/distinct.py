"""Distinct elements of every value that a kernel reads in one execution, each counted once however often it is read.

Windows that skip positions leave gaps, so that a box holds more elements than are read. Two readers read a product of
sets of positions each; where these differ along more than one axis, the larger product stands for their union. Every
count is therefore a lower bound on what any partition of the kernel reads.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.read_regions import reads
from itc_tile.tiling.boxes import Boxes, nothing, volume, whole
from itc_tile.tiling.region import Region, union


@lru_cache(maxsize=1024)
def distinct_boxes(kernel: Kernel) -> dict[str, Boxes]:
    """By formal name, a box [1, rank, 2] as long along each axis as the number of positions that are read."""
    result = whole(kernel.result.tensor.shape, (1,))
    found = {kernel.result.name: Region(result)}
    for apply in reversed(kernel.body):
        types = [value.tensor for value in apply.values]
        for value, read in zip(apply.values, reads(apply.op, types, found[apply.result.name]), strict=True):
            known = found.get(value.name)
            found[value.name] = _both(known, read, value.tensor.shape) if known else read
    unread = (value for value in (*kernel.inputs, *kernel.params) if value.name not in found)
    return {name: region.extents for name, region in found.items()} | {
        value.name: nothing(value.tensor, result) for value in unread
    }


def _both(left: Region, right: Region, shape: tuple[int, ...]) -> Region:
    """The union of two products where that is a product, else the larger one."""
    pairs = zip(left.positions(0), right.positions(0), strict=True)
    differing = sum(not np.array_equal(a, b) for a, b in pairs)
    if differing <= 1:
        return union(left, right, shape)
    return max(left, right, key=lambda region: int(volume(region.boxes)[0]))
