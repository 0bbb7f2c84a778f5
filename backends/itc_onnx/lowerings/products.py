"""Convolutions, linear layers, products of matrices and attention."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from itc.ir.op import Pair
from itc.ir.ops.conv import Conv, Convolution, Linear
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.matmul import Attend, MatMul
from itc.ir.types import NUMPY_NAMES
from itc_onnx.graph import Graph, with_batch
from itc_onnx.lowerings.table import Operands, lowering


@lowering(Conv)
def conv(graph: Graph, op: Conv, operands: Operands) -> str:
    return _convolution(graph, "Conv", op, operands)


@lowering(ConvTranspose)
def conv_transpose(graph: Graph, op: ConvTranspose, operands: Operands) -> str:
    if all(extra < stride for extra, stride in zip(op.output_pad, op.stride, strict=True)):
        return _convolution(graph, "ConvTranspose", op, operands, output_padding=list(op.output_pad))
    return _extended(graph, op, operands)


def _extended(graph: Graph, op: ConvTranspose, operands: Operands) -> str:
    """For an `output_pad` of the stride or more, which the node refuses: extended by zeros, then cropped."""
    x, weight, *bias = operands.names
    whole = graph("ConvTranspose", as_maps(graph, operands, x), weight, **_window(op, operands, (0, 0)))
    longer = graph("Pad", whole, graph.integers(0, 0, 0, 0, 0, 0, *op.output_pad))
    ends = [pad + size for pad, size in zip(op.pad, operands.result.shape[-2:], strict=True)]
    out = graph("Slice", longer, graph.integers(*op.pad), graph.integers(*ends), graph.integers(2, 3))
    out = graph("Add", out, graph.reshape(bias[0], -1, 1, 1)) if bias else out
    return from_maps(graph, operands, out)


def _convolution(graph: Graph, node: str, op: Convolution, operands: Operands, **more: list[int]) -> str:
    x, *params = operands.names
    out = graph(node, as_maps(graph, operands, x), *params, **_window(op, operands, op.pad), **more)
    return from_maps(graph, operands, out)


def _window(op: Convolution, operands: Operands, pad: Pair) -> dict[str, Any]:
    """The attributes that convolutions and transposed convolutions share."""
    return {
        "kernel_shape": list(operands.types[1].shape[2:]),
        "strides": list(op.stride),
        "pads": [*pad, *pad],
        "dilations": list(op.dilation),
        "group": op.groups,
    }


def as_maps(graph: Graph, operands: Operands, x: str) -> str:
    """Axes before the channels, of regions, as part of the batch."""
    shape = operands.types[0].shape
    return x if len(shape) == 3 else graph.reshape(x, -1, *shape[-3:])


def from_maps(graph: Graph, operands: Operands, x: str) -> str:
    """The inverse of `as_maps` for the result."""
    shape = operands.result.shape
    return x if len(operands.types[0].shape) == 3 else graph.reshape(x, -1, *shape)


@lowering(Linear)
def linear(graph: Graph, _op: Linear, operands: Operands) -> str:
    x, weight, *bias = operands.names
    out = graph("MatMul", x, graph("Transpose", weight, perm=[1, 0]))
    return graph("Add", out, bias[0]) if bias else out


@lowering(MatMul)
def matmul(graph: Graph, op: MatMul, operands: Operands) -> str:
    left, right = operands.names
    left = _transposed(graph, left, operands.rank) if op.transpose_a else left
    return graph("MatMul", left, _transposed(graph, right, operands.rank) if op.transpose_b else right)


def _transposed(graph: Graph, x: str, rank: int) -> str:
    """With the last two axes exchanged."""
    return graph("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2])


@lowering(Attend)
def attend(graph: Graph, op: Attend, operands: Operands) -> str:
    q, k, v = (_by_head(graph, op, operands, position) for position in range(3))
    rank = operands.rank + 1
    scale = graph.number(sqrt(operands.types[0].shape[-1] // op.heads), operands.dtype)
    scores = graph("Div", graph("MatMul", q, _transposed(graph, k, rank)), scale)
    if op.causal:
        scores = graph("Add", scores, _mask(graph, operands))
    masked = len(operands.names) == 4
    weights = _masked(graph, operands, scores) if masked else graph("Softmax", scores, axis=-1)
    out = graph("MatMul", weights, v)
    return graph.reshape(_heads_last(graph, out, rank), *with_batch(operands.result))


def _masked(graph: Graph, operands: Operands, scores: str) -> str:
    """Softmax where a mask allows, zeros elsewhere."""
    mask = operands.types[3].shape
    allowed = graph.reshape(operands.names[3], 0, 1, mask[0] if len(mask) == 2 else 1, mask[-1])
    least = graph.number(float(np.finfo(NUMPY_NAMES[operands.dtype]).min), operands.dtype)
    weights = graph("Softmax", graph("Where", allowed, scores, least), axis=-1)
    return graph("Where", allowed, weights, graph.number(0, operands.dtype))


def _by_head(graph: Graph, op: Attend, operands: Operands, position: int) -> str:
    """[batch, ..., tokens, heads * d] as [batch, ..., heads, tokens, d]."""
    shape = operands.types[position].shape
    split = graph.reshape(operands.names[position], 0, *shape[:-1], op.heads, shape[-1] // op.heads)
    return _heads_last(graph, split, len(shape) + 2)


def _heads_last(graph: Graph, x: str, rank: int) -> str:
    """With the axes of heads and tokens exchanged."""
    return graph("Transpose", x, perm=[*range(rank - 3), rank - 2, rank - 3, rank - 1])


def _mask(graph: Graph, operands: Operands) -> str:
    """-inf where a token would attend to a later one."""
    tokens = operands.types[0].shape[-2]
    mask = np.where(np.tri(tokens, dtype=bool), 0, -np.inf)
    return graph.constant(mask.astype(NUMPY_NAMES[operands.dtype]))
