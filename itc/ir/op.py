"""What an operation is: its fields are its attributes; its type rule, parameters, MACs and value stand beside them.

An operation is declared once, in `itc/ir/ops/`. Its dataclass is what the IR holds; its `layer` function is what the
language calls: the signature (names, kinds, defaults) is the signature in a spec, and it returns the operation with the
parameters it needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from itc.ir.types import TensorType

Array = NDArray[Any]
Pair = tuple[int, int]
Types = Sequence[TensorType]
Role = Literal["weight", "bias", "slope", "scale", "shift", "mean", "var", "constant"]

INITS = ("zeros", "ones", "kaiming", "uniform", "xavier", "lecun", "normal", "sinusoid")
NORM_ROLES = frozenset({"scale", "shift", "mean", "var"})
STATISTICS = frozenset({"mean", "var"})
#: The largest number in float32, and a standard deviation of which no number drawn is larger.
MAX_FLOAT = 3.4028234663852886e38
MAX_STD = 1e37
#: Elementary operations that starting an array operation counts as: some 20 microseconds of Python.
RUN = 20_000
#: As many operands as one likes.
MANY = 1 << 30
UNTRAINED = STATISTICS | {"constant"}


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

    `init` is one of those that `itc.weights` documents, such as `kaiming` or `normal(0.02)`, or a number as text.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    init: str = "zeros"


def known_init(init: str, shape: tuple[int, ...]) -> bool:
    """Whether `init` is a word, a number, `normal(std)` or `values(...)`, finite in float32, and fits `shape`."""
    word, numbers = split_init(init)
    count = {"values": prod(shape), "normal": 1}.get(word, 0)
    if numbers:
        most = MAX_STD if word == "normal" else MAX_FLOAT
        return len(numbers) == count and all(_is_number(number, most) for number in numbers)
    return (init in INITS and (init != "sinusoid" or bool(shape))) or _is_number(init)


def split_init(init: str) -> tuple[str, tuple[str, ...]]:
    """The word of an init, and what stands in parentheses behind it."""
    word, opened, rest = init.partition("(")
    return (word, tuple(rest[:-1].split(","))) if opened and rest.endswith(")") else (init, ())


def _is_number(text: str, most: float = MAX_FLOAT) -> bool:
    try:
        return abs(float(text)) <= most
    except ValueError:
        return False


@dataclass(frozen=True)
class Op(ABC):
    """One operation with its attributes. Operands are tensors first, then parameters, in a fixed order."""

    name: ClassVar[str]
    #: The least and the most operands, parameters among them.
    arity: ClassVar[tuple[int, int]] = (1, 1)
    #: Operands of which only the shape is read: they cost no memory and no exchange.
    shape_only: ClassVar[frozenset[int]] = frozenset()
    #: Whether it is a node of the paper's graph size and latency: convolutions, transposed ones among them.
    counted: ClassVar[bool] = False
    #: Whether the value of an element depends on the same element of the operands alone.
    pointwise: ClassVar[bool] = False
    #: Whether running it twice is running it once, in training too: not for what draws numbers or keeps statistics.
    repeatable: ClassVar[bool] = True
    #: Whether the first operand is any input of the net, for the size of the batch: a spec does not name it.
    reads_batch: ClassVar[bool] = False

    @abstractmethod
    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        """Types of the results for operands of these types; raises RuleError where they do not fit."""

    @abstractmethod
    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        """The results as arrays with a leading batch axis; parameters have none. The judge of every backend."""

    def macs(self, *operands: TensorType) -> int:
        """Multiply-accumulates of one sample: of convolutions, linear layers and products of matrices; else none."""
        return 0

    def operations(self, types: Types, results: Types) -> int:
        """Elementary operations of the reference for one sample, where they exceed the MACs: see `RUN`."""
        return 0

    def temporary_bytes(self, types: Types, results: Types) -> int:
        """Bytes of the reference's temporary arrays for one sample in float32, beside operands and results."""
        return sum(type.bytes for type in results)

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


def as_float(array: Array) -> Array:
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)
