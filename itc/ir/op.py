"""The interface of operations: attributes (dataclass fields), type rule, reference value and MACs.

An operation is declared once, in `itc/ir/ops/`: as a dataclass for the IR, and as a `layer` function for the language.
The Python signature of the function is the signature in a spec; it returns the operation with its parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import fields
from math import prod
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from itc.ir.types import TensorType
from itc.records import dataclass

Array = NDArray[Any]
Pair = tuple[int, int]
Types = Sequence[TensorType]
Role = Literal["weight", "bias", "slope", "scale", "shift", "mean", "var", "constant"]

INITS = ("zeros", "ones", "kaiming", "uniform", "xavier", "lecun", "normal", "sinusoid")
NORM_ROLES = frozenset({"scale", "shift", "mean", "var"})
STATISTICS = frozenset({"mean", "var"})
#: The largest float32, and the largest standard deviation whose samples are finite in float32.
MAX_FLOAT = 3.4028234663852886e38
MAX_STD = 1e37
#: Elementary operations that starting an array operation counts as: some 20 microseconds of Python.
RUN = 20_000
#: The most axes of a tensor: NumPy has 64, and operations add some of their own, such as the batch.
MAX_RANK = 32
#: The most operands of an operation that joins any number of them: planning compares each with every tile.
MANY = 1024
UNTRAINED = STATISTICS | {"constant"}


class RuleError(Exception):
    """A violated type rule: `operand` is the position of the offending operand, `other` of a conflicting one."""

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
    """A parameter of a layer: last segment of its key, shape of one set, role and initialisation.

    `init` is documented in `itc.weights`: a word such as `kaiming` or `normal(0.02)`, or a number as text.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    init: str = "zeros"


def known_init(init: str, shape: tuple[int, ...]) -> bool:
    """Whether `init` is valid for `shape`: a word, a number, `normal(std)` or `values(...)`, finite in float32."""
    word, numbers = split_init(init)
    count = {"values": prod(shape), "normal": 1}.get(word, 0)
    if numbers:
        most = MAX_STD if word == "normal" else MAX_FLOAT
        return len(numbers) == count and all(_is_number(number, most) for number in numbers)
    return (init in INITS and (init != "sinusoid" or bool(shape))) or _is_number(init)


def split_init(init: str) -> tuple[str, tuple[str, ...]]:
    """The word of an `init` and the arguments in parentheses after it."""
    word, opened, rest = init.partition("(")
    return (word, tuple(rest[:-1].split(","))) if opened and rest.endswith(")") else (init, ())


def _is_number(text: str, most: float = MAX_FLOAT) -> bool:
    try:
        return abs(float(text)) <= most
    except ValueError:
        return False


@dataclass(frozen=True)
class Op(ABC):
    """An operation with its attributes. Its operands are tensors, then parameters, in a fixed order."""

    name: ClassVar[str]
    #: Minimum and maximum number of operands, including parameters.
    arity: ClassVar[tuple[int, int]] = (1, 1)
    #: Operands whose shape alone is read: they need no memory and no transfer.
    shape_only: ClassVar[frozenset[int]] = frozenset()
    #: Whether it counts in the paper's graph size and latency: convolutions, including transposed ones.
    counted: ClassVar[bool] = False
    #: Whether each element of the result depends only on the same element of the operands.
    pointwise: ClassVar[bool] = False
    #: Whether repeated execution has no further effect, in training too: false for random numbers and statistics.
    repeatable: ClassVar[bool] = True
    #: Whether the first operand only gives the batch size: any input of the net, implicit in a spec.
    reads_batch: ClassVar[bool] = False

    @abstractmethod
    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        """Types of the results for these operand types; raises RuleError if they break the type rule."""

    @abstractmethod
    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        """The results; arrays have a leading batch axis, except parameters. The reference for every backend."""

    def macs(self, *operands: TensorType) -> int:
        """Multiply-accumulates for one sample, as docs/costs.md defines them; 0 for most operations."""
        return 0

    def operations(self, types: Types, results: Types) -> int:
        """Elementary operations of the reference for one sample, where they exceed the MACs: see `RUN`."""
        return 0

    def temporary_bytes(self, types: Types, results: Types) -> int:
        """Bytes of the reference's temporary arrays for one sample in float32, beside operands and results."""
        return sum(type.bytes for type in results)

    def indexed(self, types: Types) -> tuple[int, int] | None:
        """The operand whose integers choose positions, and the number of these, if there is one."""
        return None

    def attributes(self) -> dict[str, Any]:
        """The fields that differ from their default, in declaration order, as printed in the text form."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}


@dataclass(frozen=True, slots=True)
class Layer:
    """The lowering of a call in a spec: an operation and the parameters that follow its tensor operands.

    The tensor at position `weight`, if any, must be a `param`, which the operation reads as its own parameter; for
    another tensor, the operation is `computed`, if there is one.
    """

    op: Op
    params: tuple[ParamSpec, ...] = ()
    weight: int | None = None
    computed: Op | None = None


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
