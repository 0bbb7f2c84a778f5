"""Convolutions and pools along one and three axes, and convolutions with computed kernels."""

from __future__ import annotations

from itertools import product

from itc.ir.ops.dynamic_conv import DynamicConv
from itc.ir.ops.spatial import Spatial, SpatialConv, SpatialPool
from itc_onnx.graph import Graph, with_batch
from itc_onnx.lowerings.table import Operands, lowering


def _channels_second(graph: Graph, x: str, rank: int) -> str:
    """With the first axis behind the batch and the channels exchanged."""
    return graph("Transpose", x, perm=[0, 2, 1, *range(3, rank)])


def _window(op: Spatial) -> dict[str, list[int]]:
    return {"strides": list(op.stride), "pads": [*op.pad, *op.pad]}


@lowering(SpatialConv)
def spatial_conv(graph: Graph, op: SpatialConv, operands: Operands) -> str:
    x, *params = operands.names
    turned = _channels_second(graph, x, operands.rank)
    kernel = list(operands.types[1].shape[2:])
    more = {"dilations": list(op.dilation), "kernel_shape": kernel}
    return _channels_second(
        graph, graph("Conv", turned, *params, **_window(op), **more, group=op.groups), operands.rank
    )


@lowering(SpatialPool)
def spatial_pool(graph: Graph, op: SpatialPool, operands: Operands) -> str:
    turned = _channels_second(graph, operands.names[0], operands.rank)
    node, more = ("AveragePool", {"count_include_pad": 1}) if op.mean else ("MaxPool", {})
    pooled = graph(node, turned, **_window(op), kernel_shape=list(op.kernel), **more)
    return _channels_second(graph, pooled, operands.rank)


@lowering(DynamicConv)
def dynamic_conv(graph: Graph, op: DynamicConv, operands: Operands) -> str:
    """A product of matrices for each position of the kernel, whose groups and samples are batches."""
    x, weight = operands.names
    out, per_group, *kernel = operands.types[1].shape
    rows, columns = operands.result.shape[-2:]
    padded = graph("Pad", x, graph.integers(0, 0, *op.pad, 0, 0, *op.pad))
    terms = []
    for tap in product(*map(range, kernel)):
        starts = [t * d for t, d in zip(tap, op.dilation, strict=True)]
        ends = [start + s * (n - 1) + 1 for start, s, n in zip(starts, op.stride, (rows, columns), strict=True)]
        bounds = (graph.integers(*numbers) for numbers in (starts, ends, (2, 3), op.stride))
        seen = graph.reshape(graph("Slice", padded, *bounds), 0, op.groups, per_group, rows * columns)
        element = graph("Gather", graph("Gather", weight, graph.integer(tap[1]), axis=4), graph.integer(tap[0]), axis=3)
        terms.append(graph("MatMul", graph.reshape(element, 0, op.groups, out // op.groups, per_group), seen))
    return graph.reshape(graph("Sum", *terms), *with_batch(operands.result))
