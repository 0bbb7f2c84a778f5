"""Regions of interest: proposals by the node of non-maximum suppression, and pooling of their features."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from itc.ir.ops.region import MAX_GROWTH, Proposals, RoiAlign
from itc.ir.types import NUMPY_NAMES
from itc_onnx.graph import Graph
from itc_onnx.lowerings.table import Operands, lowering


@lowering(RoiAlign)
def roi_align(graph: Graph, op: RoiAlign, operands: Operands) -> str:
    """The boxes of all samples in one list, with the sample of each."""
    x, boxes = operands.names
    count = operands.types[1].shape[0]
    flat = graph.reshape(boxes, -1, 4)
    total = graph("Squeeze", graph("Slice", graph("Shape", flat), graph.integers(0), graph.integers(1)))
    each = graph("Range", graph.integer(0), total, graph.integer(1))
    height, width = op.size
    out = graph(
        "RoiAlign",
        x,
        flat,
        graph("Div", each, graph.integer(count)),
        output_height=height,
        output_width=width,
        sampling_ratio=op.sampling,
        spatial_scale=op.scale,
        coordinate_transformation_mode="half_pixel" if op.aligned else "output_half_pixel",
    )
    return graph.reshape(out, -1, *operands.result.shape)


@lowering(Proposals)
def proposals(graph: Graph, op: Proposals, operands: Operands) -> str:
    """Boxes in the order of their scores, of which those too small score 0; ranks replace scores, so no two tie."""
    boxes, large = _clipped(graph, op, operands, _decoded(graph, op, operands))
    best, ranks = _candidates(graph, op, operands, boxes, large)
    chosen = graph(
        "NonMaxSuppression",
        best,
        graph("Unsqueeze", ranks, graph.integers(1)),
        graph.integer(op.count),
        graph.number(op.overlap, "f32"),
        graph.number(0, "f32"),
    )
    return _slots(graph, op, best, chosen)


def _by_anchor(graph: Graph, op: Proposals, operands: Operands, position: int, numbers: int) -> str:
    """[batch, anchors * numbers, h, w] as [batch, h * w * anchors, numbers]."""
    height, width = operands.types[0].shape[-2:]
    anchors = len(op.sizes) * len(op.ratios)
    split = graph.reshape(operands.names[position], 0, anchors, numbers, height, width)
    return graph.reshape(graph("Transpose", split, perm=[0, 3, 4, 1, 2]), 0, -1, numbers)


def _decoded(graph: Graph, op: Proposals, operands: Operands) -> str:
    """The anchors, shifted and scaled by the deltas."""
    dtype = NUMPY_NAMES[operands.dtype]
    anchors = op.anchors(*operands.types[0].shape[-2:]).astype(dtype)
    size = anchors[:, 2:] - anchors[:, :2]
    middle = graph.constant(anchors[:, :2] + size / 2)
    deltas = graph.results("Split", 2, _by_anchor(graph, op, operands, 1, 4), axis=-1, num_outputs=2)
    centre = graph("Add", middle, graph("Mul", deltas[0], graph.constant(size)))
    growth = graph("Exp", graph("Min", deltas[1], graph.number(MAX_GROWTH, operands.dtype)))
    half = graph("Div", graph("Mul", growth, graph.constant(size)), graph.number(2, operands.dtype))
    return graph("Concat", graph("Sub", centre, half), graph("Add", centre, half), axis=-1)


def _clipped(graph: Graph, op: Proposals, operands: Operands, boxes: str) -> tuple[str, str]:
    """Boxes within the image, and whether each is large enough."""
    height, width = operands.types[2].shape[-2:]
    limits = np.array([width, height] * 2, NUMPY_NAMES[operands.dtype])
    boxes = graph("Min", graph("Max", boxes, graph.number(0, operands.dtype)), graph.constant(limits))
    first, last = graph.results("Split", 2, boxes, axis=-1, num_outputs=2)
    fits = graph("GreaterOrEqual", graph("Sub", last, first), graph.number(op.least, operands.dtype))
    both = graph("ReduceMin", graph("Cast", fits, to=TensorProto.FLOAT), graph.integers(-1), keepdims=0)
    return boxes, both


def _candidates(graph: Graph, op: Proposals, operands: Operands, boxes: str, large: str) -> tuple[str, str]:
    """The best boxes by score, and for each a score that falls with its rank; 0 for boxes that are too small."""
    total = int(np.prod(operands.types[0].shape))
    count = min(op.candidates, total)
    scores = graph.reshape(_by_anchor(graph, op, operands, 0, 1), 0, -1)
    lowest = graph("Where", graph("Cast", large, to=TensorProto.BOOL), scores, graph.number(-np.inf, operands.dtype))
    _, order = graph.results("TopK", 2, lowest, graph.integers(count), axis=-1, largest=1, sorted=1)
    best = graph("GatherND", boxes, graph("Unsqueeze", order, graph.integers(-1)), batch_dims=1)
    kept = graph("GatherElements", large, order, axis=1)
    ranks = np.arange(count, 0, -1, dtype=np.float32)
    return best, graph("Mul", kept, graph.constant(ranks))


def _slots(graph: Graph, op: Proposals, best: str, chosen: str) -> str:
    """The chosen boxes [selected, (sample, class, box)] as [batch, count, 4], zeros behind the last."""
    sample, _, box = graph.results("Split", 3, chosen, axis=1, num_outputs=3)
    boxes = graph("GatherND", best, graph("Concat", sample, box, axis=1))
    batch = graph("Slice", graph("Shape", best), graph.integers(0), graph.integers(1))
    samples = graph("Range", graph.integer(0), graph("Squeeze", batch), graph.integer(1))
    same = graph("Cast", graph("Equal", sample, graph("Unsqueeze", samples, graph.integers(0))), to=TensorProto.INT64)
    before = graph("CumSum", same, graph.integer(0), exclusive=1)
    slot = graph("ReduceSum", graph("Mul", before, same), graph.integers(1), keepdims=1)
    shape = graph("Concat", batch, graph.integers(op.count, 4), axis=0)
    blank = graph("Expand", graph.number(0, "f32"), shape)
    return graph("ScatterND", blank, graph("Concat", sample, slot, axis=1), boxes)
