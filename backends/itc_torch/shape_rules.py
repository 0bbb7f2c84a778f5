"""Lowerings of operations that move elements: parts, shapes, orders, and what is put together."""

from __future__ import annotations

from operator import getitem

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, PixelShuffle, Reshape, Transpose
from itc.ir.ops.shape import Concat, Fill, Stack
from itc.ir.ops.table import Parameter
from itc_torch.expressions import Expr, Ref, axis_from_end, call, on_maps, shape, unless


def concat(op: Concat, *operands: Ref) -> Expr:
    return call(torch.cat, operands, dim=axis_from_end(operands[0], op.axis))


def stack(op: Stack, *operands: Ref) -> Expr:
    return call(torch.stack, operands, dim=op.axis)


def fill(op: Fill, like: Ref) -> Expr:
    if op.channels == like.type.channels:
        return call(torch.full_like, like, op.value)
    sizes: list[Expr] = [shape(like, axis) for axis in range(1 + len(like.type.shape))]
    sizes[like.type.channel_axis] = op.channels
    return call("new_full", like, tuple(sizes), op.value)


def part(op: Slice, x: Ref) -> Expr:
    """`x[..., start:stop:step]`, behind which stand the axes that stay whole."""
    chosen = slice(op.start or None, op.stop or None, unless(op.step, 1))
    behind = -axis_from_end(x, op.axis) - 1
    return call(getitem, x, (Ellipsis, chosen, *(slice(None),) * behind))


def select(op: Select, x: Ref) -> Expr:
    return call("select", x, axis_from_end(x, op.axis), op.at)


def pad(op: Pad, x: Ref) -> Expr:
    """torch lists the margins from the last axis on."""
    margins = (0, 0) * (-axis_from_end(x, op.axis) - 1) + (op.before, op.after)
    return call(F.pad, x, margins, value=unless(op.value, 0.0))


def reshape(op: Reshape, x: Ref) -> Expr:
    return call("reshape", x, (shape(x, 0), *op.shape))


def transpose(op: Transpose, x: Ref) -> Expr:
    rank = len(op.axes)
    if op.axes == (*range(rank - 2), rank - 1, rank - 2):
        return call("transpose", x, -2, -1)
    return call("permute", x, (0, *(1 + axis for axis in op.axes)))


def broadcast(_op: Broadcast, x: Ref, like: Ref) -> Expr:
    """New axes behind the channels of a vector for a map, else in front; then repeated."""
    more = len(like.type.shape) - len(x.type.shape)
    behind = 2 if len(x.type.shape) == 1 and more >= 2 else 0
    front = (slice(None), *(None,) * (more - behind)) if more > behind else ()
    spread = call(getitem, x, (*front, Ellipsis, *(None,) * behind)) if more else x
    return call("expand_as", spread, like)


def channel_shuffle(op: ChannelShuffle, x: Ref) -> Expr:
    return on_maps(x, lambda maps: call(F.channel_shuffle, maps, op.groups))


def pixel_shuffle(op: PixelShuffle, x: Ref) -> Expr:
    return on_maps(x, lambda maps: call(F.pixel_shuffle, maps, op.factor))


def parameter(_op: Parameter, batch: Ref, weight: Ref) -> Expr:
    return call("expand", weight, shape(batch, 0), *(-1,) * len(weight.type.shape))
