"""The exact regions of every operand that a region of an operation's result reads.

The access map gives the box that a box of the result reads. Where windows skip positions, or where the region of the
result lacks positions already, the sets of positions are computed axis by axis within that box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from itc.ir.op import Op
from itc.ir.types import TensorType
from itc_tile.ops.record import TileOp, tile_op
from itc_tile.tiling.boxes import Boxes, emptied, is_empty, whole
from itc_tile.tiling.region import Region, region_of
from itc_tile.tiling.sets import Intervals, Sets, Windows, joined

Types = Sequence[TensorType]


def reads(op: Op, types: Types, result: Region) -> list[Region]:
    """The region of each operand; none leaves the operand, and all are empty where the result is."""
    record = tile_op(op)
    some = ~is_empty(result.boxes)
    boxes = [emptied(box) * some for box in record.access(op, types, result.hull)]
    windows: dict[int, Windows] = record.windows(op, types) if record.windows else {}
    sparse = {axis: each for axis, each in windows.items() if axis in result.tables or not each.dense}
    missing = [axis for axis in result.tables if axis not in sparse]
    if not sparse and not missing:
        return [Region(box) for box in boxes]
    operands = [[Sets(box[..., axis, :]) for axis in range(box.shape[-2])] for box in boxes]
    for axis, each in sparse.items():
        operands[0][axis] = each.read(result.axis(axis))
    for axis in missing:
        operands = _through(record, op, types, result, axis, operands)
    return [region_of(sets, result.boxes.shape[:-2]) for sets in operands]


def _through(
    record: TileOp, op: Op, types: Types, result: Region, axis: int, operands: list[list[Sets]]
) -> list[list[Sets]]:
    """The operands' sets, less the positions that only missing positions of `axis` of the result would read.

    The access map is asked for each interval of the present positions, with all of the other axes.
    """
    own, numbers = result.axis(axis).distinct()
    owners, first, end = own.runs()
    (type,) = op.result_types(*types)
    boxes: Boxes = whole(type.shape, (len(owners),))
    boxes[:, axis] = np.stack([first, end], axis=-1)
    reading = record.access(op, types, boxes)
    for sets, read, operand in zip(operands, reading, types, strict=True):
        some = emptied(read) * ~is_empty(boxes)
        for at, size in enumerate(operand.shape):
            if sets[at].table is None:
                preimage = joined(len(own.bounds), size, partial(_once, (owners, some[:, at, 0], some[:, at, 1])))
                sets[at] = Sets(preimage.bounds[numbers], preimage.table).within(sets[at].bounds)
    return operands


def _once(intervals: Intervals) -> Iterator[Intervals]:
    yield intervals
