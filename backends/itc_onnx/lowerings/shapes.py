"""Operations that move elements, and constants in the shape of others."""

from __future__ import annotations

import numpy as np

from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.position import Rope, Sinusoid, angles, sinusoids
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, PixelShuffle, Reshape, Transpose, broadcast_shape
from itc.ir.ops.shape import Concat, Fill, Stack
from itc.ir.ops.table import Embed, Parameter
from itc.ir.types import NUMPY_NAMES
from itc_onnx.graph import Graph, with_batch
from itc_onnx.lowerings.products import as_maps, from_maps
from itc_onnx.lowerings.table import Operands, lowering

END = 2**63 - 1


@lowering(Slice)
def slice_(graph: Graph, op: Slice, operands: Operands) -> str:
    numbers = (op.start, op.stop or END, operands.axis(op.axis), op.step)
    return graph("Slice", operands.names[0], *(graph.integers(number) for number in numbers))


@lowering(Select)
def select(graph: Graph, op: Select, operands: Operands) -> str:
    at = graph.integer(op.at)
    return graph("Gather", operands.names[0], at, axis=operands.rank + operands.axis(op.axis))


@lowering(Pad)
def pad(graph: Graph, op: Pad, operands: Operands) -> str:
    margins = np.zeros((2, operands.rank), np.int64)
    margins[:, operands.axis(op.axis)] = (op.before, op.after)
    value = graph.number(op.value, operands.dtype)
    return graph("Pad", operands.names[0], graph.integers(*margins.reshape(-1).tolist()), value)


@lowering(Broadcast)
def broadcast(graph: Graph, _op: Broadcast, operands: Operands) -> str:
    shape = broadcast_shape(operands.types[0].shape, operands.types[1].shape)
    return graph("Expand", graph.reshape(operands.names[0], 0, *shape), graph.integers(1, *operands.result.shape))


@lowering(Reshape)
def reshape(graph: Graph, _op: Reshape, operands: Operands) -> str:
    return graph.reshape(operands.names[0], *with_batch(operands.result))


@lowering(Transpose)
def transpose(graph: Graph, op: Transpose, operands: Operands) -> str:
    return graph("Transpose", operands.names[0], perm=[0, *(1 + axis for axis in op.axes)])


@lowering(ChannelShuffle)
def channel_shuffle(graph: Graph, op: ChannelShuffle, operands: Operands) -> str:
    *leading, channels, height, width = operands.types[0].shape
    rank = len(leading)
    split = graph.reshape(operands.names[0], 0, *leading, op.groups, channels // op.groups, height, width)
    order = [*range(rank + 1), rank + 2, rank + 1, rank + 3, rank + 4]
    return graph.reshape(graph("Transpose", split, perm=order), *with_batch(operands.result))


@lowering(PixelShuffle)
def pixel_shuffle(graph: Graph, op: PixelShuffle, operands: Operands) -> str:
    maps = graph("DepthToSpace", as_maps(graph, operands, operands.names[0]), blocksize=op.factor, mode="CRD")
    return from_maps(graph, operands, maps)


@lowering(Concat)
def concat(graph: Graph, op: Concat, operands: Operands) -> str:
    return graph("Concat", *operands.names, axis=operands.axis(op.axis))


@lowering(Stack)
def stack(graph: Graph, op: Stack, operands: Operands) -> str:
    added = (graph("Unsqueeze", name, graph.integers(op.axis)) for name in operands.names)
    return graph("Concat", *added, axis=op.axis)


@lowering(Fill)
def fill(graph: Graph, op: Fill, operands: Operands) -> str:
    value = np.full((1, *operands.result.shape), op.value, NUMPY_NAMES[operands.dtype])
    return for_batch(graph, graph.number(op.value, operands.dtype), operands, value.ndim)


def for_batch(graph: Graph, value: str, operands: Operands, rank: int) -> str:
    """`value` repeated to the shape of the result, whose batch is that of the first operand."""
    size = graph("Slice", graph("Shape", operands.names[0]), graph.integers(0), graph.integers(1))
    shape = graph("Concat", size, graph.integers(*operands.result.shape), axis=0) if rank > 1 else size
    return graph("Expand", value, shape)


@lowering(Embed)
def embed(graph: Graph, _op: Embed, operands: Operands) -> str:
    ids, weight = operands.names
    return graph("Gather", weight, ids, axis=0)


@lowering(Parameter)
def parameter(graph: Graph, _op: Parameter, operands: Operands) -> str:
    return for_batch(graph, operands.names[1], operands, 1 + len(operands.result.shape))


@lowering(Sinusoid)
def sinusoid(graph: Graph, op: Sinusoid, operands: Operands) -> str:
    tokens, channels = operands.result.shape[-2:]
    table = sinusoids(tokens, channels, op.base).astype(NUMPY_NAMES[operands.dtype])
    return for_batch(graph, graph.constant(table), operands, 1 + len(operands.result.shape))


@lowering(Rope)
def rope(graph: Graph, op: Rope, operands: Operands) -> str:
    *leading, tokens, channels = operands.types[0].shape
    half = channels // (2 * op.heads)
    at = angles(tokens, half, op.base)[:, None]
    cosine, sine = (graph.constant(f(at).astype(NUMPY_NAMES[operands.dtype])) for f in (np.cos, np.sin))
    pair = (half, 2) if op.interleaved else (2, half)
    split = graph.reshape(operands.names[0], 0, *leading, tokens, op.heads, *pair)
    axis = -1 if op.interleaved else -2
    first, second = (graph("Gather", split, graph.integer(n), axis=len(leading) + 5 + axis) for n in (0, 1))
    turned = (
        graph("Sub", graph("Mul", first, cosine), graph("Mul", second, sine)),
        graph("Add", graph("Mul", second, cosine), graph("Mul", first, sine)),
    )
    pairs = (graph("Unsqueeze", part, graph.integers(axis)) for part in turned)
    return graph.reshape(graph("Concat", *pairs, axis=axis), *with_batch(operands.result))
