"""Values of elaboration: tensors are IR values, all others compile-time values; lists are `Items`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from itc.diagnostics import fail
from itc.ir import IterationSet, SeriesType, Value
from itc.records import dataclass
from itc.source import Span
from itc_dsl.program import Defined

MAX_ELEMENTS = 100_000
MAX_TEXT = 10_000
MAX_INTEGER = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list; `size` counts the elements of all nested lists, so that sharing cannot hide exponential size."""

    items: tuple[object, ...]
    size: int


@dataclass(slots=True, eq=False)
class LoopContext:
    """A loop during the elaboration of its body; `reach` are the iterations that reach the current statement."""

    var: str
    count: int
    reach: IterationSet


@dataclass(frozen=True, slots=True, eq=False)
class Varying:
    """A table: a number or boolean for each iteration 1, 2, ... of a loop."""

    frame: LoopContext
    values: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class BlockRef:
    """A block as a value."""

    defined: Defined


@dataclass(frozen=True, slots=True)
class OperationRef:
    """An operation as a value."""

    name: str


@dataclass(frozen=True, slots=True)
class BuiltinRef:
    """A function of compile-time values, as a value."""

    name: str


Callee = BlockRef | OperationRef | BuiltinRef


@dataclass(frozen=True, slots=True)
class Undecided:
    """A variable with different types after the branches of an `if` on `iteration`; an error if it is read."""

    span: Span
    note: str


class Broken:
    """A variable whose statement had an error; reading it ends the statement without a further error."""


BROKEN = Broken()


class Stop(Exception):
    """Ends the elaboration of a statement that depends on an error already reported."""


def make_list(items: Sequence[object], span: Span) -> Items:
    """A list, checked against the limit (E0390)."""
    size = sum(item.size if isinstance(item, Items) else 1 for item in items)
    if size > MAX_ELEMENTS:
        raise fail("E0390", f"a list of {size} elements, the limit is {MAX_ELEMENTS}", span, "too long")
    return Items(tuple(items), max(1, size))


def describe(value: object) -> str:
    """The description of a value, for messages."""
    known = {None: "none", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return known[value]
    match value:
        case int() | float():
            text = f"the number {value}"
        case str():
            text = f'"{value:.40}"'
        case Items(items=items):
            text = f"a list of {len(items)}"
        case Value(type=type):
            text = f"a series, {type}" if isinstance(type, SeriesType) else f"a tensor, {type}"
        case BlockRef(defined=defined):
            text = f"the block `{defined.definition.name.text}`"
        case OperationRef(name=name) | BuiltinRef(name=name):
            text = f"the operation `{name}`"
        case _:
            text = "a value that depends on `iteration`"
    return text


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_tensor(value: object) -> bool:
    return isinstance(value, Value) and not isinstance(value.type, SeriesType)


def of_series(value: object) -> str:
    """A help for a misplaced series; empty for other values."""
    is_series = isinstance(value, Value) and not is_tensor(value)
    return "pass a series to an `each` parameter of an `iterative` block, or emit it" if is_series else ""


def leaves(value: object) -> Iterator[object]:
    """The leaves of a nested list, in order."""
    if isinstance(value, Items):
        for item in value.items:
            yield from leaves(item)
    else:
        yield value


def rebuild(like: object, values: Iterator[object]) -> object:
    """The nested list `like` with its leaves replaced in order."""
    if isinstance(like, Items):
        return Items(tuple(rebuild(item, values) for item in like.items), like.size)
    return next(values)


def same_structure(left: object, right: object) -> bool:
    """Whether two nested lists differ at most in their leaves."""
    if isinstance(left, Items) and isinstance(right, Items):
        return len(left.items) == len(right.items) and all(map(same_structure, left.items, right.items))
    return not isinstance(left, Items) and not isinstance(right, Items)


def tensor_types(value: object) -> str:
    """The types of a tensor or a nested list of tensors, as text."""
    if isinstance(value, Items):
        return f"[{', '.join(tensor_types(item) for item in value.items[:4])}{', ...' if len(value.items) > 4 else ''}]"
    return str(value.type) if isinstance(value, Value) else describe(value)
