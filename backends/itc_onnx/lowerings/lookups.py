"""Lookups at computed positions, and sampling of maps on a grid."""

from __future__ import annotations

import numpy as np

from itc.ir.ops.lookup import Gather, GridSample, OneHot, Take
from itc_onnx.graph import ELEMENTS, Graph
from itc_onnx.lowerings.table import Operands, lowering


@lowering(Gather)
def gather(graph: Graph, op: Gather, operands: Operands) -> str:
    return graph("GatherElements", *operands.names, axis=operands.axis(op.axis))


@lowering(Take)
def take(graph: Graph, op: Take, operands: Operands) -> str:
    """Along the first axis behind the batch, of which each sample has its own indices."""
    x, indices = operands.names
    at, more = operands.rank + op.axis, len(operands.types[1].shape)
    others = [axis for axis in range(1, operands.rank) if axis != at]
    first = graph("Transpose", x, perm=[0, at, *others])
    places = graph("Unsqueeze", graph("Cast", indices, to=ELEMENTS["i64"]), graph.integers(-1))
    taken = graph("GatherND", first, places, batch_dims=1)
    parts = range(1 + more, more + operands.rank - 1)
    return graph("Transpose", taken, perm=[0, *parts[: at - 1], *range(1, 1 + more), *parts[at - 1 :]])


@lowering(OneHot)
def one_hot(graph: Graph, op: OneHot, operands: Operands) -> str:
    ids = graph("Cast", operands.names[0], to=ELEMENTS["i64"])
    return graph("OneHot", ids, graph.integers(op.count), graph.constant(np.array([0, 1], np.float32)), axis=-1)


@lowering(GridSample)
def grid_sample(graph: Graph, op: GridSample, operands: Operands) -> str:
    mode = "linear" if op.mode == "bilinear" else op.mode
    corners = int(op.align_corners)
    return graph("GridSample", *operands.names, mode=mode, padding_mode=op.padding, align_corners=corners)
