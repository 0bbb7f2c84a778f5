"""Expressions over torch values: written once by a lowering, made into fx nodes or into Python text.

Sizes are those at run time, never the net's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import getitem
from typing import Any, TypeVar

from itc.ir import TensorType

T = TypeVar("T")


class Flag(Enum):
    """What a module knows only when it runs."""

    TRAINING = auto()


TRAINING = Flag.TRAINING


@dataclass(frozen=True, slots=True)
class Name:
    """What stands for a value in the target: a node, text, or a call of one. Of a loop's variable no more is known."""

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


def called(expr: Expr) -> Iterator[Callable[..., Any]]:
    """Every function that an expression calls."""
    match expr:
        case Name(of=Call() as inner):
            yield from called(inner)
        case Call(function, args, kwargs):
            if not isinstance(function, str):
                yield function
            yield from called(args)
            yield from called(tuple(kwargs.values()))
        case tuple():
            for part in expr:
                yield from called(part)


def unless(value: T, default: T) -> T | None:
    """`value`, or None where it is torch's default anyway."""
    return None if value == default else value


def pair(value: tuple[int, int]) -> int | tuple[int, int]:
    """A size along height and width, as one number where both are the same."""
    return value[0] if value[0] == value[1] else value


def alike(values: tuple[int, ...]) -> int | tuple[int, ...]:
    """Sizes along several axes, as one number where all are the same."""
    return values[0] if len(set(values)) == 1 else values


def shape(x: Ref, axis: int) -> Call:
    """The size of an axis, the batch among them."""
    return call(getitem, call(getattr, x, "shape"), axis)


def axis_from_end(x: Ref, axis: int) -> int:
    """An axis of an operation, 0 being that of the channels, as one that the batch does not move."""
    return axis or x.type.channel_axis


def on_maps(x: Ref, lowering: Callable[[Expr], Expr]) -> Expr:
    """`lowering` of `x` as [batch, channels, height, width]: axes in between, as of regions, join the batch."""
    extra = len(x.type.shape) - 3
    if extra < 1:
        return lowering(x)
    joined = lowering(call("flatten", x, 0, extra))
    return call("unflatten", joined, 0, tuple(shape(x, axis) for axis in range(extra + 1)))
