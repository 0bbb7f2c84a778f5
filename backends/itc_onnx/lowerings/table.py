"""The table of lowerings, and what a lowering is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from itc.ir.op import Op
from itc.ir.types import TensorType
from itc_onnx.graph import Graph


@dataclass(frozen=True, slots=True)
class Operands:
    """Names and types of an operation's operands and the types of its results, all without the batch axis."""

    names: tuple[str, ...]
    types: tuple[TensorType, ...]
    results: tuple[TensorType, ...]

    @property
    def result(self) -> TensorType:
        return self.results[0]

    @property
    def dtype(self) -> str:
        """The element type of the first operand."""
        return self.types[0].dtype

    @property
    def rank(self) -> int:
        """Axes of the first operand with its batch."""
        return 1 + len(self.types[0].shape)

    def axis(self, axis: int) -> int:
        """The axis of an attribute, counted from the end; 0 stands for the channels."""
        return axis or self.types[0].channel_axis


Lowering = Callable[[Graph, Any, Operands], str]
LOWERINGS: dict[type[Op], Lowering] = {}
F = TypeVar("F", bound=Lowering)


def lowering(*ops: type[Op]) -> Callable[[F], F]:
    """Registers the function that appends the nodes of an operation and returns the name of its result."""

    def register(function: F) -> F:
        for op in ops:
            assert op not in LOWERINGS, op
            LOWERINGS[op] = function
        return function

    return register


def unsupported(op: Op) -> bool:
    """Whether there is no lowering of the operation."""
    return type(op) not in LOWERINGS
