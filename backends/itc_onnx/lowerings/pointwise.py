"""Element-wise operations."""

from __future__ import annotations

from math import isinf, pi, sqrt
from typing import Any

from itc.ir.ops.activation import Abs, Cos, Exp, Gelu, Log, Prelu, Silu, Sin, Sqrt
from itc.ir.ops.cast import Cast
from itc.ir.ops.comparison import Compare, Maximum, Minimum, Where
from itc.ir.ops.pointwise import (
    Add,
    Affine,
    Detach,
    Div,
    Dropout,
    Mul,
    Relu,
    Relu6,
    Sigmoid,
    Sub,
    Tanh,
)  # fmt: skip
from itc.ir.ops.rectifier import Clamp, Elu, Hardswish, LeakyRelu, Softplus, SquaredRelu
from itc_onnx.graph import ELEMENTS, Graph
from itc_onnx.lowerings.table import LOWERINGS, Operands, lowering

#: Operations that are one node of the same meaning.
NODES = {
    Abs: "Abs",
    Add: "Add",
    Cos: "Cos",
    Detach: "Identity",
    Div: "Div",
    Dropout: "Identity",
    Exp: "Exp",
    Hardswish: "HardSwish",
    Log: "Log",
    Mul: "Mul",
    Relu: "Relu",
    Sigmoid: "Sigmoid",
    Sin: "Sin",
    Softplus: "Softplus",
    Sqrt: "Sqrt",
    Sub: "Sub",
    Tanh: "Tanh",
}


def _node(graph: Graph, op: Any, operands: Operands) -> str:
    return graph(NODES[type(op)], *operands.names)


LOWERINGS.update(dict.fromkeys(NODES, _node))


@lowering(Affine)
def affine(graph: Graph, op: Affine, operands: Operands) -> str:
    scaled = graph("Mul", operands.names[0], graph.number(op.factor, operands.dtype))
    return graph("Add", scaled, graph.number(op.offset, operands.dtype))


@lowering(Cast)
def cast(graph: Graph, op: Cast, operands: Operands) -> str:
    return graph("Cast", operands.names[0], to=ELEMENTS[op.dtype])


@lowering(Gelu)
def gelu(graph: Graph, op: Gelu, operands: Operands) -> str:
    """By the error function, as the IR defines it, or by tanh."""
    (x,) = operands.names
    if op.tanh:
        return _gelu_by_tanh(graph, operands, x)
    erf = graph("Erf", graph("Div", x, graph.number(sqrt(2), operands.dtype)))
    probability = graph("Div", graph("Add", erf, graph.number(1, operands.dtype)), graph.number(2, operands.dtype))
    return graph("Mul", x, probability)


def _gelu_by_tanh(graph: Graph, operands: Operands, x: str) -> str:
    half, factor, scale = (graph.number(value, operands.dtype) for value in (0.5, 0.044715, sqrt(2 / pi)))
    cube = graph("Mul", graph("Mul", x, graph("Mul", x, x)), factor)
    bent = graph("Tanh", graph("Mul", graph("Add", x, cube), scale))
    return graph("Mul", graph("Mul", x, half), graph("Add", bent, graph.number(1, operands.dtype)))


@lowering(LeakyRelu)
def leaky_relu(graph: Graph, op: LeakyRelu, operands: Operands) -> str:
    return graph("LeakyRelu", operands.names[0], alpha=op.slope)


@lowering(Elu)
def elu(graph: Graph, op: Elu, operands: Operands) -> str:
    return graph("Elu", operands.names[0], alpha=op.alpha)


@lowering(SquaredRelu)
def squared_relu(graph: Graph, _op: SquaredRelu, operands: Operands) -> str:
    positive = graph("Relu", operands.names[0])
    return graph("Mul", positive, positive)


@lowering(Clamp)
def clamp(graph: Graph, op: Clamp, operands: Operands) -> str:
    bounds = ("" if isinf(bound) else graph.number(bound, operands.dtype) for bound in (op.lower, op.upper))
    return graph("Clip", operands.names[0], *bounds)


@lowering(Minimum, Maximum)
def extreme(graph: Graph, op: Minimum | Maximum, operands: Operands) -> str:
    """Of booleans, whether both or one is true."""
    nodes = ("Min", "And") if isinstance(op, Minimum) else ("Max", "Or")
    return graph(nodes[operands.dtype == "bool"], *operands.names)


RELATIONS = {"lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "eq": "Equal", "ne": "Equal"}


@lowering(Compare)
def compare(graph: Graph, op: Compare, operands: Operands) -> str:
    x, *other = operands.names
    held = graph(RELATIONS[op.relation], x, *other or (graph.number(op.number, operands.dtype),))
    return graph("Not", held) if op.relation == "ne" else held


@lowering(Where)
def where(graph: Graph, op: Where, operands: Operands) -> str:
    mask, *tensors = operands.names
    dtype = operands.result.dtype
    sides = [tensors.pop(0) if number is None else graph.number(number, dtype) for number in (op.then, op.otherwise)]
    return graph("Where", mask, *sides)


@lowering(Prelu)
def prelu(graph: Graph, _op: Prelu, operands: Operands) -> str:
    x, slope = operands.names
    return graph("PRelu", x, along_channels(graph, operands, slope))


@lowering(Relu6)
def relu6(graph: Graph, _op: Relu6, operands: Operands) -> str:
    return graph("Clip", operands.names[0], graph.number(0, operands.dtype), graph.number(6, operands.dtype))


@lowering(Silu)
def silu(graph: Graph, _op: Silu, operands: Operands) -> str:
    (x,) = operands.names
    return graph("Mul", x, graph("Sigmoid", x))


def along_channels(graph: Graph, operands: Operands, param: str) -> str:
    """A parameter with one number per channel, in a shape that broadcasts with the first operand."""
    return graph.reshape(param, -1, 1, 1) if operands.types[0].channel_axis == -3 else param
