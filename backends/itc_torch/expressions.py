"""Expressions over torch values: written once by a lowering, made into fx nodes or into Python text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from itc.ir import TensorType


class Flag(Enum):
    """What a module knows only when it runs."""

    TRAINING = auto()


TRAINING = Flag.TRAINING


@dataclass(frozen=True, slots=True)
class Name:
    """What stands for a value in the target: a node, or text. Of a loop's variable no more is known."""

    of: Any


@dataclass(frozen=True, slots=True)
class Ref(Name):
    """An operand, with its type at the net's own input size."""

    type: TensorType


@dataclass(frozen=True)
class Call:
    """A call of `function`, or of the method of that name of the first argument."""

    function: Callable[..., Any] | str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


Expr = Any
"""A `Name`, `Call`, `Flag`, a constant, or a tuple of those."""


def call(function: Callable[..., Any] | str, *args: Expr, **kwargs: Expr) -> Call:
    """A call without the keyword arguments that are None: they have torch's own default."""
    return Call(function, args, {name: value for name, value in kwargs.items() if value is not None})
