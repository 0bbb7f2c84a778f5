"""Pools and unpooling."""

from __future__ import annotations

import numpy as np

from itc.ir.op import Array
from itc.ir.ops.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool, Pool, adaptive_edges
from itc.ir.ops.unpool import MaxUnpool, PoolIndices
from itc.ir.types import NUMPY_NAMES
from itc_onnx.graph import Graph, with_batch
from itc_onnx.lowerings.products import as_maps, from_maps
from itc_onnx.lowerings.table import Operands, lowering


@lowering(MaxPool)
def max_pool(graph: Graph, op: MaxPool, operands: Operands) -> str:
    pads = [*op.pad, *_ends(op, operands, op.pad)]
    x = as_maps(graph, operands, operands.names[0])
    return from_maps(graph, operands, graph("MaxPool", x, **_window(op), pads=pads))


def _window(op: Pool) -> dict[str, list[int]]:
    return {"kernel_shape": list(op.kernel), "strides": list(op.stride)}


def _ends(op: Pool, operands: Operands, begins: tuple[int, int]) -> list[int]:
    """Padding at the end of each axis that gives the windows of the result, which `ceil` may add to."""
    sizes = zip(operands.types[0].shape[-2:], operands.result.shape[-2:], op.kernel, op.stride, begins, strict=True)
    return [max(0, (out - 1) * stride + kernel - size - begin) for size, out, kernel, stride, begin in sizes]


@lowering(AvgPool)
def avg_pool(graph: Graph, op: AvgPool, operands: Operands) -> str:
    """Padding is added as zeros, which count; the positions beyond it are padding of the node, which do not."""
    down, across = op.pad
    x = as_maps(graph, operands, operands.names[0])
    if any(op.pad):
        x = graph("Pad", x, graph.integers(0, 0, down, across, 0, 0, down, across))
    beyond = [max(0, end - pad) for end, pad in zip(_ends(op, operands, op.pad), op.pad, strict=True)]
    out = graph("AveragePool", x, **_window(op), pads=[0, 0, *beyond], count_include_pad=0)
    return from_maps(graph, operands, out)


@lowering(GlobalPool)
def global_pool(graph: Graph, _op: GlobalPool, operands: Operands) -> str:
    return graph("ReduceMean", operands.names[0], graph.integers(-2, -1), keepdims=0)


@lowering(AdaptivePool)
def adaptive_pool(graph: Graph, op: AdaptivePool, operands: Operands) -> str:
    """Products with the matrices of the means along each axis."""
    (height, width), dtype = operands.types[0].shape[-2:], NUMPY_NAMES[operands.dtype]
    rows, columns = (_means(size, parts).astype(dtype) for size, parts in zip((height, width), op.size, strict=True))
    down = graph("MatMul", graph.constant(rows), operands.names[0])
    return graph("MatMul", down, graph.constant(columns.T))


def _means(size: int, parts: int) -> Array:
    """[parts, size]: the weights of the means over the windows of an adaptive pool."""
    starts, stops = adaptive_edges(size, parts)
    position = np.arange(size)
    inside = (position >= starts[:, None]) & (position < stops[:, None])
    return np.asarray(inside / inside.sum(1, keepdims=True))


@lowering(PoolIndices)
def pool_indices(graph: Graph, op: PoolIndices, operands: Operands) -> str:
    """The node counts elements over the whole tensor: the remainder is the position in the map."""
    height, width = operands.types[0].shape[-2:]
    x = as_maps(graph, operands, operands.names[0])
    pads = [*op.pad, *_ends(op, operands, op.pad)]
    _, indices = graph.results("MaxPool", 2, x, **_window(op), pads=pads)
    return from_maps(graph, operands, graph("Mod", indices, graph.integer(height * width)))


@lowering(MaxUnpool)
def max_unpool(graph: Graph, _op: MaxUnpool, operands: Operands) -> str:
    x, indices, _ = operands.names
    *leading, height, width = operands.result.shape
    inner = operands.types[0].shape[-2] * operands.types[0].shape[-1]
    rows = (0, *leading)
    elements, positions = graph.reshape(x, *rows, inner), graph.reshape(indices, *rows, inner)
    first = graph("Slice", elements, graph.integers(0), graph.integers(1), graph.integers(-1))
    blank = graph("Mul", first, graph.number(0, operands.dtype))
    wide = graph("Expand", blank, graph.integers(1, *(1 for _ in leading), height * width))
    flat = graph("ScatterElements", wide, graph("Cast", positions, to=7), elements, axis=-1)
    return graph.reshape(flat, *with_batch(operands.result))
