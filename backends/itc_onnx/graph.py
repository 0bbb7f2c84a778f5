"""Construction of ONNX graphs: nodes with unique names, constants that all nested graphs share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from itc.ir.op import Array
from itc.ir.types import NUMPY_NAMES, SeriesType, TensorType, Type

#: Element types of ONNX by those of the IR.
ELEMENTS: dict[str, int] = {
    "f32": TensorProto.FLOAT,
    "f16": TensorProto.FLOAT16,
    "i64": TensorProto.INT64,
    "i32": TensorProto.INT32,
    "i8": TensorProto.INT8,
    "bool": TensorProto.BOOL,
}
BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Scalar:
    """The type of the iteration and of the condition of a loop, which have no batch."""

    dtype: str


Declared = Type | Scalar


def value_info(name: str, type: Declared) -> ValueInfoProto:
    """The declaration of a value: a tensor with a symbolic batch axis, a sequence of such tensors, or a scalar."""
    if isinstance(type, Scalar):
        return helper.make_tensor_value_info(name, ELEMENTS[type.dtype], ())
    if isinstance(type, SeriesType):
        return helper.make_tensor_sequence_value_info(name, ELEMENTS[type.element.dtype], (BATCH, *type.element.shape))
    return helper.make_tensor_value_info(name, ELEMENTS[type.dtype], (BATCH, *type.shape))


@dataclass
class Graph:
    """The nodes of the graph under construction, innermost last, and the constants of the whole model."""

    constants: dict[str, TensorProto] = field(default_factory=dict)
    scopes: list[list[NodeProto]] = field(default_factory=lambda: [[]])
    _names: Iterator[int] = field(default_factory=count)
    _cached: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def fresh(self, word: str) -> str:
        """A name that no value of the IR has."""
        return f"{word}:{next(self._names)}"

    def __call__(self, op: str, *operands: str, **attributes: Any) -> str:
        """Appends a node with one result, and returns the name of the result."""
        return self.results(op, 1, *operands, **attributes)[0]

    def results(self, op: str, number: int, *operands: str, **attributes: Any) -> list[str]:
        """Appends a node with `number` results, and returns their names."""
        names = [self.fresh(op) for _ in range(number)]
        self.node(op, operands, names, **attributes)
        return names

    def node(self, op: str, operands: Sequence[str], results: Sequence[str], **attributes: Any) -> None:
        """Appends a node whose results have given names."""
        self.scopes[-1].append(helper.make_node(op, operands, results, **attributes))

    def constant(self, array: Array) -> str:
        """The name of a constant tensor; equal constants are one."""
        array = np.asarray(array, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._cached:
            self._cached[key] = self.fresh("constant")
            self.tensor(self._cached[key], array)
        return self._cached[key]

    def tensor(self, name: str, array: Array) -> None:
        """Adds a constant under a given name: a parameter under its key."""
        self.constants[name] = numpy_helper.from_array(array, name)

    def integer(self, value: int) -> str:
        """A constant scalar of int64: a position."""
        return self.constant(np.asarray(value, np.int64))

    def number(self, value: float, dtype: str) -> str:
        """A constant scalar of an element type of the IR."""
        return self.constant(np.asarray(value).astype(NUMPY_NAMES[dtype]))

    def integers(self, *values: int) -> str:
        """A constant vector of int64: axes, sizes, positions."""
        return self.constant(np.array(values, np.int64))

    def reshape(self, x: str, *sizes: int) -> str:
        """`x` in another shape: 0 keeps the size of the same axis, -1 is inferred."""
        return self("Reshape", x, self.integers(*sizes))

    @contextmanager
    def scope(self) -> Iterator[list[NodeProto]]:
        """Nodes appended inside belong to a nested graph, which may read all values around it."""
        self.scopes.append([])
        yield self.scopes[-1]
        self.scopes.pop()

    def nested(
        self,
        nodes: list[NodeProto],
        name: str,
        inputs: Sequence[ValueInfoProto],
        outputs: Sequence[tuple[str, Declared]],
    ) -> GraphProto:
        """The graph of the nodes of a scope that is open; each output is a copy, so that none is an outer value."""
        infos = []
        for value, type in outputs:
            copy = self("Identity", value)
            infos.append(value_info(copy, type))
        return helper.make_graph(nodes, self.fresh(name), list(inputs), infos)


def with_batch(type: TensorType) -> tuple[int, ...]:
    """The shape of a tensor as `Reshape` takes it, its batch kept."""
    return (0, *type.shape)


def count_nodes(graph: GraphProto, op: str = "") -> int:
    """Nodes of a graph and those nested in it, or those of one operation."""
    nested = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    own = [node for node in graph.node if op in ("", node.op_type)]
    return len(own) + sum(count_nodes(inner, op) for inner in nested)
