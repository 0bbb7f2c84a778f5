"""What an operation reads, exactly: a region of its result goes in, a region of every operand comes out.

The access rules give the box that a box of the result reads. Where windows skip positions, or where positions of the
result are missing already, the sets of positions that are read are found axis by axis within that box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from itc.ir.op import Op
from itc.ir.types import TensorType
from itc_tile.ops.access import ACCESS
from itc_tile.ops.windows import windows
from itc_tile.tiling.boxes import Boxes, emptied, is_empty, whole
from itc_tile.tiling.region import Region, region_of
from itc_tile.tiling.sets import Intervals, Sets, joined

Types = Sequence[TensorType]


def reads(op: Op, types: Types, result: Region) -> list[Region]:
    """The region of each operand; none of it leaves the operand, and it is empty where the result is."""
    some = ~is_empty(result.boxes)
    boxes = [emptied(box) * some for box in ACCESS[type(op)](op, types, result.hull)]
    sparse = {axis: each for axis, each in windows(op, types).items() if axis in result.tables or not each.dense}
    missing = [axis for axis in result.tables if axis not in sparse]
    if not sparse and not missing:
        return [Region(box) for box in boxes]
    operands = [[Sets(box[..., axis, :]) for axis in range(box.shape[-2])] for box in boxes]
    for axis, each in sparse.items():
        operands[0][axis] = each.read(result.axis(axis))
    for axis in missing:
        operands = _through(op, types, result, axis, operands)
    return [region_of(sets, result.boxes.shape[:-2]) for sets in operands]


def _through(op: Op, types: Types, result: Region, axis: int, operands: list[list[Sets]]) -> list[list[Sets]]:
    """What is left of the operands' sets if only the positions of `axis` that the result has are read for.

    The rule is asked for each interval of these positions, with all of the other axes.
    """
    own, numbers = result.axis(axis).distinct()
    owners, first, end = own.runs()
    (made,) = op.result_types(*types)
    boxes: Boxes = whole(made.shape, (len(owners),))
    boxes[:, axis] = np.stack([first, end], axis=-1)
    reading = ACCESS[type(op)](op, types, boxes)
    for sets, read, operand in zip(operands, reading, types, strict=True):
        some = emptied(read) * ~is_empty(boxes)
        for at, size in enumerate(operand.shape):
            if sets[at].table is None:
                found = joined(len(own.bounds), size, partial(_once, (owners, some[:, at, 0], some[:, at, 1])))
                sets[at] = Sets(found.bounds[numbers], found.table).within(sets[at].bounds)
    return operands


def _once(intervals: Intervals) -> Iterator[Intervals]:
    yield intervals
