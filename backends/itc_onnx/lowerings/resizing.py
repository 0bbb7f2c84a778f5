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
            x = _weighted(graph, op, operands, x, axis)
    return x


def _weighted(graph: Graph, op: Resize, operands: Operands, x: str, axis: int) -> str:
    """The weighted means of the pixels around each sample along an axis."""
    dtype, shape = NUMPY_NAMES[operands.dtype], (-1, 1) if axis == -2 else (-1,)
    terms = []
    for source, share in op.sources(operands.types[0].shape[axis], operands.result.shape[axis]):
        seen = graph("Gather", x, graph.constant(source), axis=operands.rank + axis)
        terms.append(graph("Mul", seen, graph.constant(share.astype(dtype).reshape(shape))))
    return graph("Sum", *terms)
