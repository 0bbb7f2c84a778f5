"""Products of matrices: linear layers, attention, and the position encodings of its operands."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from itc.ir.op import Array
from itc.ir.ops.conv import Linear
from itc.ir.ops.matmul import Attend, MatMul
from itc.ir.ops.position import Rope, Sinusoid
from itc_tile.ops.record import Evaluation, Product, ShardedOp, Stacks, TileOp, Types, VectorPass, Work, register
from itc_tile.ops.rules import along, everything, move_work, rows, softmax_pass
from itc_tile.tiling.boxes import Boxes, extent, multiples, whole
from itc_tile.tiling.sets import Ints, Windows


def linear_access(_op: Linear, types: Types, boxes: Boxes) -> list[Boxes]:
    x = boxes.copy()
    x[..., -1, :] = [0, types[0].shape[-1]]
    return [x, *(rows(boxes[..., -1, :], param) for param in types[1:])]


def linear_work(shards: ShardedOp) -> Work:
    return Work((Product(result_rows(shards), 1, shards.types[1].shape[1], shards.width),))


def result_rows(shards: ShardedOp) -> Ints:
    """Positions of the result, its last axis apart."""
    return np.asarray(shards.elements // np.maximum(shards.width, 1))


def linear_values(shards: ShardedOp) -> Evaluation:
    def run(stacks: Stacks) -> Array:
        x, weight, *bias = stacks
        flat = x.reshape(len(x), -1, x.shape[-1])
        out: Array = np.matmul(flat, weight[:, 0].swapaxes(-1, -2)).reshape(*x.shape[:-1], -1)
        return np.add(out, along(-1, bias[0], out.ndim), out=out) if bias else out

    return Evaluation(run, shards.operands)


def matmul_access(op: MatMul, types: Types, boxes: Boxes) -> list[Boxes]:
    """The rows of the left factor and the columns of the right one."""
    out = []
    for side, (type, turned) in enumerate(zip(types, (op.transpose_a, op.transpose_b), strict=True)):
        factor = boxes.copy()
        inner = -1 if side == 0 else -2
        factor[..., inner, :] = [0, op.sizes(types[0].shape, types[1].shape)[0][1]]
        out.append(factor[..., [*range(len(type.shape) - 2), -1, -2], :] if turned else factor)
    return out


def matmul_work(shards: ShardedOp) -> Work:
    left, right = shards.types
    inner = shards.op.sizes(left.shape, right.shape)[0][1]
    return Work((Product(result_rows(shards), 1, inner, shards.width),))


def attend_access(op: Attend, types: Types, boxes: Boxes) -> list[Boxes]:
    """The same queries, and all keys and values, of the heads of the result."""
    heads = multiples(boxes[..., -1, :], types[2].shape[-1] // op.heads) // (types[2].shape[-1] // op.heads)
    out = []
    for position, type in enumerate(types[:3]):
        read = boxes.copy()
        read[..., -1, :] = heads * (type.shape[-1] // op.heads)
        if position:
            read[..., -2, :] = [0, type.shape[-2]]
        out.append(read)
    for mask in types[3:]:
        read = whole(mask.shape, boxes.shape[:-2])
        if len(mask.shape) == 2:
            read[..., 0, :] = boxes[..., -2, :]
        out.append(read)
    return out


def attend_work(shards: ShardedOp) -> Work:
    """For each head the products of queries with keys and of weights with values, and a softmax between."""
    op, (q, k, v) = shards.op, shards.types[:3]
    others = k.shape[-2]
    heads = extent(shards.operands[0], -1) // (q.shape[-1] // op.heads)
    queries = result_rows(shards)
    width = np.minimum(shards.width, v.shape[-1] // op.heads)
    scores = Product(queries, 1, q.shape[-1] // op.heads, np.full_like(queries, others), heads)
    weighted = Product(queries, 1, others, width, heads)
    passes = [softmax_pass(queries * heads * others)]
    if len(shards.types) == 4:
        passes.insert(0, VectorPass(queries * heads * others, simple=1, access=1))
    return Work((scores, weighted), tuple(passes))


def rope_access(op: Rope, types: Types, boxes: Boxes) -> list[Boxes]:
    """Both channels of a pair: whole heads."""
    x = boxes.copy()
    x[..., -1, :] = multiples(boxes[..., -1, :], types[0].shape[-1] // op.heads)
    return [x]


def rope_windows(op: Rope, types: Types) -> dict[int, Windows]:
    """Both channels of a pair, half a head apart or neighbours."""
    head = types[0].shape[-1] // op.heads

    def taps(positions: Ints) -> Iterator[tuple[Ints, Ints]]:
        start, within = positions // head * head, positions % head
        if op.interleaved:
            yield positions // 2 * 2, positions // 2 * 2 + 2
            return
        yield positions, positions + 1
        yield start + (within + head // 2) % head, start + (within + head // 2) % head + 1

    return {len(types[0].shape) - 1: Windows(types[0].shape[-1], taps, False)}


def rope_work(shards: ShardedOp) -> Work:
    """Two products and a sum for each element, with precomputed tables of sines."""
    return Work(passes=(VectorPass(shards.elements, simple=3, access=2),))


register(Linear, TileOp(linear_access, linear_work, linear_values))
register(MatMul, TileOp(matmul_access, matmul_work))
register(Attend, TileOp(attend_access, attend_work))
register(Rope, TileOp(rope_access, rope_work, windows=rope_windows))
register(Sinusoid, TileOp(everything, move_work))
