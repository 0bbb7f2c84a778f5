"""Operations whose values choose the positions that are read: any position may be, so all of them are required."""

from __future__ import annotations

import numpy as np

from itc.ir.ops.lookup import Gather, GridSample, OneHot, Take
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.table import Embed
from itc.ir.rules import axis_of
from itc_tile.ops.record import ShardedOp, TileOp, Types, VectorPass, Work, register
from itc_tile.ops.rules import everything, move_work, pointwise_work
from itc_tile.tiling.boxes import Boxes, volume, whole


def embed_access(_op: Embed, types: Types, boxes: Boxes) -> list[Boxes]:
    """Any row, of the result's channels."""
    weight = whole(types[1].shape, boxes.shape[:-2])
    weight[..., 1, :] = boxes[..., -1, :]
    return [boxes[..., :-1, :], weight]


def embed_work(shards: ShardedOp) -> Work:
    return Work(passes=move_work(shards).passes, selected={1: shards.elements})


def gather_access(op: Gather, types: Types, boxes: Boxes) -> list[Boxes]:
    """Any position along the axis."""
    x, axis = boxes.copy(), axis_of(types[0], op.axis)
    x[..., axis, :] = [0, types[0].shape[axis]]
    return [x, boxes]


def take_access(op: Take, types: Types, boxes: Boxes) -> list[Boxes]:
    """Any position along the axis, in place of which the result has the axes of the indices."""
    axis, more = axis_of(types[0], op.axis), len(types[1].shape)
    parts = boxes[..., :axis, :], whole(types[0].shape[axis : axis + 1], boxes.shape[:-2]), boxes[..., axis + more :, :]
    return [np.concatenate(parts, axis=-2), boxes[..., axis : axis + more, :]]


def selected_work(shards: ShardedOp) -> Work:
    return Work(passes=move_work(shards).passes, selected={0: shards.elements})


def one_hot_access(_op: OneHot, _types: Types, boxes: Boxes) -> list[Boxes]:
    return [boxes[..., :-1, :]]


def sample_access(_op: GridSample, types: Types, boxes: Boxes) -> list[Boxes]:
    """Whole planes of the result's channels, and the points of its pixels."""
    maps, points = (whole(type.shape, boxes.shape[:-2]) for type in types)
    maps[..., 0, :] = boxes[..., 0, :]
    points[..., :2, :] = boxes[..., 1:, :]
    return [maps, points]


def sample_work(shards: ShardedOp) -> Work:
    """Four products for each element, or one pixel of the nearest; and the position of each point."""
    reads = 4 if shards.op.mode == "bilinear" else 1
    points = VectorPass(volume(shards.operands[1]), multiply_add=1, simple=4, access=1)
    samples = VectorPass(shards.elements, multiply_add=reads if reads > 1 else 0, access=1)
    return Work(passes=(points, samples), selected={0: shards.elements * reads})


def align_access(_op: RoiAlign, types: Types, boxes: Boxes) -> list[Boxes]:
    """Whole planes of the result's channels, and the boxes of the result's regions."""
    features = whole(types[0].shape, boxes.shape[:-2])
    features[..., 0, :] = boxes[..., 1, :]
    corners = whole(types[1].shape, boxes.shape[:-2])
    corners[..., 0, :] = boxes[..., 0, :]
    return [features, corners]


def align_work(shards: ShardedOp) -> Work:
    """Four products for each sample of an element."""
    reads = 4 * shards.op.sampling**2
    interpolation = VectorPass(shards.elements, multiply_add=reads, access=1)
    return Work(passes=(interpolation,), selected={0: shards.elements * reads})


def proposals_work(shards: ShardedOp) -> Work:
    """Boxes of all anchors, a merge sort, and for each selected box its overlaps with all candidates."""
    op, anchors = shards.op, volume(shards.operands[0])
    boxes = VectorPass(anchors, simple=12, special=2, access=3)
    order = VectorPass(anchors, access=float(np.ceil(np.log2(np.maximum(anchors, 2)).max(initial=1))))
    overlaps = VectorPass(np.minimum(anchors, op.candidates) * op.count, simple=12, special=1)
    return Work(passes=(boxes, order, overlaps))


register(Embed, TileOp(embed_access, embed_work))
register(RoiAlign, TileOp(align_access, align_work))
register(Proposals, TileOp(everything, proposals_work))
register(Gather, TileOp(gather_access, selected_work))
register(Take, TileOp(take_access, selected_work))
register(OneHot, TileOp(one_hot_access, pointwise_work(simple=1)))
register(GridSample, TileOp(sample_access, sample_work))
