"""Resizing by gathers of source pixels, so that each pixel is exactly that of the IR's definition."""

from __future__ import annotations

from itc.ir.ops.resize import Resize
from itc.ir.types import NUMPY_NAMES
from itc_onnx.graph import Graph
from itc_onnx.lowerings.table import Operands, lowering


@lowering(Resize)
def resize(graph: Graph, op: Resize, operands: Operands) -> str:
    x = operands.names[0]
    sizes = zip(operands.types[0].shape[-2:], operands.result.shape[-2:], strict=True)
    for axis, (size, target) in zip((-2, -1), sizes, strict=True):
        if size == target:
            continue
        if op.mode == "nearest":
            x = graph("Gather", x, graph.constant(op.nearest_source(size, target)), axis=operands.rank + axis)
        else:
            x = _linear(graph, op, operands, x, axis)
    return x


def _linear(graph: Graph, op: Resize, operands: Operands, x: str, axis: int) -> str:
    """The weighted means of the two pixels around each sample along an axis."""
    low, high, weight = op.linear_source(operands.types[0].shape[axis], operands.result.shape[axis])
    weight = weight.astype(NUMPY_NAMES[operands.dtype]).reshape((-1, 1) if axis == -2 else (-1,))
    terms = [
        graph("Mul", graph("Gather", x, graph.constant(source), axis=operands.rank + axis), graph.constant(share))
        for source, share in ((low, 1 - weight), (high, weight))
    ]
    return graph("Add", *terms)
