"""Element-wise operations."""

from __future__ import annotations

from math import sqrt
from typing import Any

from itc.ir.ops.activation import Abs, Exp, Gelu, Log, Prelu, Silu, Sqrt
from itc.ir.ops.cast import Cast
from itc.ir.ops.pointwise import (
    Add,
    Affine,
    Detach,
    Div,
    Dropout,
    Maximum,
    Minimum,
    Mul,
    Relu,
    Relu6,
    Sigmoid,
    Sub,
    Tanh,
)  # fmt: skip
from itc_onnx.graph import ELEMENTS, Graph
from itc_onnx.lowerings.table import LOWERINGS, Operands, lowering

#: Operations that are one node of the same meaning.
NODES = {
    Abs: "Abs",
    Add: "Add",
    Detach: "Identity",
    Div: "Div",
    Dropout: "Identity",
    Exp: "Exp",
    Log: "Log",
    Maximum: "Max",
    Minimum: "Min",
    Mul: "Mul",
    Relu: "Relu",
    Sigmoid: "Sigmoid",
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
def gelu(graph: Graph, _op: Gelu, operands: Operands) -> str:
    """By the error function, as the IR defines it."""
    (x,) = operands.names
    erf = graph("Erf", graph("Div", x, graph.number(sqrt(2), operands.dtype)))
    probability = graph("Div", graph("Add", erf, graph.number(1, operands.dtype)), graph.number(2, operands.dtype))
    return graph("Mul", x, probability)


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
