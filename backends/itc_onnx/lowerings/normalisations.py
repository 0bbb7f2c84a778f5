"""Normalisations, softmax and reductions."""

from __future__ import annotations

from itc.ir.ops.norm import BatchNorm, GroupNorm, LayerNorm, Norm, RmsNorm, ScaleShift
from itc.ir.ops.reduce import ArgMax, Change, Reduce, ReduceMax, ReduceMean, ReduceSum, Softmax
from itc_onnx.graph import Graph, with_batch
from itc_onnx.lowerings.pointwise import along_channels
from itc_onnx.lowerings.table import Operands, lowering


@lowering(BatchNorm)
def batch_norm(graph: Graph, op: BatchNorm, operands: Operands) -> str:
    x, *params = operands.names
    if operands.rank == 4:
        return graph("BatchNormalization", x, *params, epsilon=op.eps)
    scale, shift, mean, var = (along_channels(graph, operands, param) for param in params)
    return graph("Add", graph("Mul", _divided(graph, op, operands, graph("Sub", x, mean), var), scale), shift)


def _divided(graph: Graph, op: Norm, operands: Operands, x: str, variance: str) -> str:
    """`x` over the standard deviation."""
    return graph("Div", x, graph("Sqrt", graph("Add", variance, graph.number(op.eps, operands.dtype))))


def _mean(graph: Graph, x: str, axis: int) -> str:
    return graph("ReduceMean", x, graph.integers(axis), keepdims=1)


def _normalised(graph: Graph, op: Norm, operands: Operands, x: str, axis: int) -> str:
    """Mean 0 and variance 1 along an axis."""
    centred = graph("Sub", x, _mean(graph, x, axis))
    return _divided(graph, op, operands, centred, _mean(graph, graph("Mul", centred, centred), axis))


def _scaled(graph: Graph, operands: Operands, x: str) -> str:
    """Times the scale, plus the shift: the operands behind the first, as far as there are any."""
    for node, param in zip(("Mul", "Add"), operands.names[1:], strict=False):
        x = graph(node, x, along_channels(graph, operands, param))
    return x


@lowering(GroupNorm)
def group_norm(graph: Graph, op: GroupNorm, operands: Operands) -> str:
    shape = operands.types[0].shape
    leading = shape[:-3] if len(shape) >= 3 else ()
    grouped = graph.reshape(operands.names[0], 0, *leading, op.groups, -1)
    out = graph.reshape(_normalised(graph, op, operands, grouped, -1), *with_batch(operands.result))
    return _scaled(graph, operands, out)


@lowering(LayerNorm)
def layer_norm(graph: Graph, op: LayerNorm, operands: Operands) -> str:
    axis = operands.types[0].channel_axis
    return _scaled(graph, operands, _normalised(graph, op, operands, operands.names[0], axis))


@lowering(RmsNorm)
def rms_norm(graph: Graph, op: RmsNorm, operands: Operands) -> str:
    x = operands.names[0]
    square = _mean(graph, graph("Mul", x, x), operands.types[0].channel_axis)
    return _scaled(graph, operands, _divided(graph, op, operands, x, square))


@lowering(ScaleShift)
def scale_shift(graph: Graph, _op: ScaleShift, operands: Operands) -> str:
    return _scaled(graph, operands, operands.names[0])


@lowering(Softmax)
def softmax(graph: Graph, op: Softmax, operands: Operands) -> str:
    return graph("Softmax", operands.names[0], axis=operands.axis(op.axis))


REDUCTIONS: dict[type[Reduce], str] = {ReduceMax: "ReduceMax", ReduceMean: "ReduceMean", ReduceSum: "ReduceSum"}


@lowering(*REDUCTIONS)
def reduction(graph: Graph, op: Reduce, operands: Operands) -> str:
    axes = graph.integers(*(1 + axis for axis in op.positions(operands.rank - 1)))
    return graph(REDUCTIONS[type(op)], operands.names[0], axes, keepdims=int(op.keep))


@lowering(ArgMax)
def argmax(graph: Graph, op: ArgMax, operands: Operands) -> str:
    return graph("ArgMax", operands.names[0], axis=operands.axis(op.axis), keepdims=0)


@lowering(Change)
def change(graph: Graph, op: Change, operands: Operands) -> str:
    a, b = (graph("Flatten", name, axis=1) for name in operands.names)
    size = graph("Max", _norm(graph, b), graph.number(op.eps, operands.dtype))
    return graph("Div", _norm(graph, graph("Sub", a, b)), size)


def _norm(graph: Graph, x: str) -> str:
    """The Euclidean norm of each row."""
    return graph("Sqrt", graph("ReduceSum", graph("Mul", x, x), graph.integers(1), keepdims=1))
