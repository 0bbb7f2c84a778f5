"""What an operation is: its fields are its attributes; its type rule, parameters, MACs and value stand beside them.

An operation is declared once, in `itc/ir/ops/`. Its dataclass is what the IR holds; its `layer` function is what the
language calls: the signature (names, kinds, defaults) is the signature in a spec, and it returns the operation with the
parameters it needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from itc.ir.types import TensorType

Array = NDArray[Any]
Pair = tuple[int, int]
Role = Literal["weight", "bias", "scale", "shift", "mean", "var"]

INITS = ("zeros", "ones", "kaiming", "uniform")
NORM_ROLES = frozenset({"scale", "shift", "mean", "var"})
STATISTICS = frozenset({"mean", "var"})


class RuleError(Exception):
    """An operand that breaks a type rule; `operand` is its position, `other` the one it disagrees with."""

    def __init__(
        self, message: str, operand: int = 0, other: int | None = None, help: str = "", attribute: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operand = operand
        self.other = other
        self.help = help
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """A parameter that a layer needs: the last segment of its key, its shape per set, what it is and how it starts.

    `init` is `zeros`, `ones`, `kaiming` (normal, std = sqrt(2 / fan in)), `uniform` (bound 1 / sqrt(fan in), PyTorch's
    default for biases and linear layers) or a number written as text.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    init: str = "zeros"


def known_init(init: str) -> bool:
    """Whether `init` is one of the words or a finite number."""
    try:
        return init in INITS or isfinite(float(init))
    except ValueError:
        return False


@dataclass(frozen=True)
class Op(ABC):
    """One operation with its attributes. Operands are tensors first, then parameters, in a fixed order."""

    name: ClassVar[str]
    #: Operands of which only the shape is read: they cost no memory and no exchange.
    shape_only: ClassVar[frozenset[int]] = frozenset()
    #: Whether it is a node of the paper's graph size and latency: the convolutions.
    counted: ClassVar[bool] = False
    #: Whether the value of an element depends on the same element of the operands alone.
    pointwise: ClassVar[bool] = False

    @abstractmethod
    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        """Types of the results for operands of these types; raises RuleError where they do not fit."""

    @abstractmethod
    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        """The results as arrays with a leading batch axis; parameters have none. The judge of every backend."""

    def macs(self, *operands: TensorType) -> int:
        """Multiply-accumulates of one sample: of convolutions, linear layers and products of matrices; else none."""
        return 0

    def attributes(self) -> dict[str, Any]:
        """The fields that differ from their default, in declaration order: what the text form shows."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}


@dataclass(frozen=True, slots=True)
class Layer:
    """What a call in a spec stands for: an operation, and the parameters that follow its tensor operands."""

    op: Op
    params: tuple[ParamSpec, ...] = ()


LayerFunction = Callable[..., Layer]
OPS: dict[str, type[Op]] = {}
LAYERS: dict[str, LayerFunction] = {}

OpClass = TypeVar("OpClass", bound=type[Op])
F = TypeVar("F", bound=LayerFunction)


def operation(cls: OpClass) -> OpClass:
    """Registers an operation under its `name`, the word of the IR text."""
    assert cls.name not in OPS, cls.name
    OPS[cls.name] = cls
    return cls


def layer(function: F) -> F:
    """Registers a function of the language under its own name (a trailing underscore dropped)."""
    name = function.__name__.rstrip("_")
    assert name not in LAYERS, name
    LAYERS[name] = function
    return function


def takes(operands: Sequence[TensorType], what: str, least: int, most: int | None = None) -> None:
    """Raises RuleError unless there are `least` operands, or up to `most`: what only written IR can get wrong."""
    if not least <= len(operands) <= (most or least):
        count = f"{least}" if most in (None, least) else f"{least} to {most}"
        raise RuleError(f"`{what}` takes {count} operands, not {len(operands)}")


def needs(rank: int, type: TensorType, what: str, operand: int = 0) -> None:
    """Raises RuleError unless `type` has at least `rank` axes; a map has three and no more."""
    if len(type.shape) < rank or len(type.shape) > 3 == rank:
        raise RuleError(f"`{what}` needs {_rank_name(rank)}, not {type}", operand)


def at_least(bound: int, attribute: str, values: Sequence[int]) -> None:
    """Raises RuleError unless every number of an attribute is at least `bound`."""
    if min(values) < bound:
        raise RuleError(f"a {attribute} of {min(values)} is less than {bound}", attribute=attribute)


def _rank_name(rank: int) -> str:
    return "a map (channels, height, width)" if rank == 3 else f"a tensor of {rank} or more axes"


def as_float(array: Array) -> Array:
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)
