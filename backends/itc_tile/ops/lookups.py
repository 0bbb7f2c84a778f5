"""Operations whose values choose the positions that are read: any position may be, so all of them are required."""

from __future__ import annotations

import numpy as np

from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.table import Embed
from itc_tile.ops.record import ShardedOp, TileOp, Types, VectorPass, Work, register
from itc_tile.ops.rules import everything, move_work
from itc_tile.tiling.boxes import Boxes, volume, whole


def embed_access(_op: Embed, types: Types, boxes: Boxes) -> list[Boxes]:
    """Any row, of the result's channels."""
    weight = whole(types[1].shape, boxes.shape[:-2])
    weight[..., 1, :] = boxes[..., -1, :]
    return [boxes[..., :-1, :], weight]


def embed_work(shards: ShardedOp) -> Work:
    return Work(passes=move_work(shards).passes, selected={1: shards.elements})


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
