"""Required regions of a kernel: the part of each inner value that each part of its result depends on."""

from __future__ import annotations

from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.read_regions import reads
from itc_tile.ops.record import tile_op
from itc_tile.tiling.boxes import Boxes, nothing
from itc_tile.tiling.region import Region, union


def granularity(kernel: Kernel) -> int:
    """The number of channels that a split keeps together: one group of a grouped convolution."""
    anchor = kernel.anchor
    return tile_op(anchor.op).granularity(anchor.op, anchor.result.tensor) if anchor else 1


def required_regions(kernel: Kernel, boxes: Boxes) -> dict[str, Region]:
    """For every value inside `kernel`, by its formal name, the region that each box of the result depends on.

    For a value with several readers it is, along each axis, the union over the readers.
    """
    found = {kernel.result.name: Region(boxes)}
    for apply in reversed(kernel.body):
        types = [value.tensor for value in apply.values]
        for value, read in zip(apply.values, reads(apply.op, types, found[apply.result.name]), strict=True):
            known = found.get(value.name)
            found[value.name] = union(known, read, value.tensor.shape) if known else read
    unread = {value.name: value.tensor for value in kernel.inputs if value.name not in found}
    return found | {name: Region(nothing(tensor, boxes)) for name, tensor in unread.items()}


def needed(kernel: Kernel, boxes: Boxes) -> dict[str, Boxes]:
    """The sizes of `required_regions`, as boxes: along each axis its number of positions, from the first on."""
    return {name: region.extents for name, region in required_regions(kernel, boxes).items()}
