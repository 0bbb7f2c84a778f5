"""The functions of compile-time values: `range`, `len`, `channels`, ..."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.diagnostics import fail
from itc.ir import RuleError, Value
from itc.ir.ops.part import Slice
from itc.ir.rules import axis_of, channels_or
from itc.records import dataclass
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.scope import Scope, as_integer
from itc_dsl.lowering.tables import two_loops
from itc_dsl.lowering.values import MAX_ELEMENTS, Items, Varying, describe, is_number, is_tensor, make_list, of_series
from itc_dsl.signature import BUILTINS

#: Operations on tensors that correspond to functions of numbers.
OF_TENSOR = {"sum": "of a tensor: `reduce_sum(x)`", "max": "of a tensor: `reduce_max(x)`", "len": "`shape(x)[0]`"}
OF_TENSORS = {"sum": "add tensors with `+`", "min": "of tensors: `minimum(a, b)`", "max": "of tensors: `maximum(a, b)`"}


@dataclass(frozen=True)
class Given:
    """The arguments of one call; the piped value has no expression."""

    scope: Scope
    name: str
    values: Sequence[object]
    exprs: Sequence[ast.Expr | None]
    span: Span

    def list_(self, position: int = 0) -> tuple[object, ...]:
        value = self.values[position]
        if isinstance(value, Items):
            return value.items
        help = OF_TENSOR.get(self.name, "") if is_tensor(value) else of_series(value)
        raise fail("E0303", f"`{self.name}` takes a list", self.span, f"this gets {describe(value)}", help)

    def numbers(self, values: Sequence[object]) -> list[int | float]:
        """The constants among values that are numbers or tables of numbers (E0303)."""
        for value in values:
            if not is_number(value) and not (isinstance(value, Varying) and value.values.dtype != np.bool_):
                help = OF_TENSORS.get(self.name, "") if is_tensor(value) else ""
                raise fail("E0303", f"`{self.name}` takes numbers", self.span, f"this gets {describe(value)}", help)
        return [value for value in values if isinstance(value, int | float)]

    def tensor(self) -> Value:
        value = self.values[0]
        if isinstance(value, Value) and is_tensor(value):
            return value
        raise fail(
            "E0303", f"`{self.name}` takes a tensor", self.span, f"this gets {describe(value)}", of_series(value)
        )


def call_builtin(
    scope: Scope, name: str, values: Sequence[object], exprs: Sequence[ast.Expr | None], span: Span
) -> object:
    """The value of a call. Raises CompileError (E0302-E0307, E0390, E0412) for invalid arguments."""
    return RULES[name](Given(scope, name, values, exprs, span))


def _range(given: Given) -> object:
    span = given.span
    bounds = [as_integer(v, e, "a bound of `range`", span) for v, e in zip(given.values, given.exprs, strict=True)]
    if len(bounds) == 3 and bounds[2] == 0:
        raise fail("E0307", "the step of `range` is zero", span, "never ends")
    numbers = range(*bounds)
    if len(numbers) > MAX_ELEMENTS:
        message = f"a range of {len(numbers)} numbers, the limit is {MAX_ELEMENTS}"
        help = "repeat with an `iterative` block"
        raise fail("E0390", message, span, "too long", help)
    return make_list(list(numbers), span)


def _zip(given: Given) -> object:
    lists = [given.list_(position) for position in range(len(given.values))]
    if len({len(items) for items in lists}) > 1:
        lengths = ", ".join(str(len(items)) for items in lists)
        raise fail("E0306", "`zip` takes lists of equal length", given.span, f"these have {lengths}")
    return make_list([make_list(row, given.span) for row in zip(*lists, strict=True)], given.span)


def _enumerate(given: Given) -> object:
    return make_list([make_list(pair, given.span) for pair in enumerate(given.list_())], given.span)


def _extreme(choose: Callable[[list[int | float]], int | float], by_iteration: Callable[..., NDArray[Any]]) -> Rule:
    def rule(given: Given) -> object:
        values = given.values if len(given.values) > 1 else given.list_()
        if not values:
            raise fail("E0303", f"`{given.name}` of an empty list", given.span, "no element")
        numbers = given.numbers(values)
        tables = [value for value in values if isinstance(value, Varying)]
        if not tables:
            return choose(numbers)
        if any(table.frame is not tables[0].frame for table in tables):
            raise two_loops(given.span)
        sides: list[Any] = [value.values if isinstance(value, Varying) else value for value in values]
        return Varying(tables[0].frame, reduce(by_iteration, sides))

    return rule


def _rounding(function: Callable[[int | float], int], by_iteration: Callable[..., NDArray[Any]]) -> Rule:
    def rule(given: Given) -> object:
        numbers, (value,) = given.numbers(given.values), given.values
        if isinstance(value, Varying):
            with np.errstate(invalid="ignore"):  # entries of iterations that do not reach this are arbitrary
                return Varying(value.frame, by_iteration(value.values).astype(np.int64))
        return function(*numbers)

    return rule


def _split(given: Given) -> object:
    """A list of consecutive parts of a tensor along an axis."""
    x, parts = given.tensor(), given.values[1]
    axis = (
        None if len(given.values) < 3 else as_integer(given.values[2], given.exprs[2], "`axis` of `split`", given.span)
    )
    try:
        stored = channels_or(x.tensor, axis)
        size = x.tensor.shape[axis_of(x.tensor, stored)]
        return make_list(list(_parts(given, x, stored, _sizes(given, parts, size))), given.span)
    except RuleError as error:
        raise fail("E0302", error.message, given.span, "here", error.help) from None


def _sizes(given: Given, parts: object, size: int) -> list[int]:
    """The sizes of the parts of an axis of `size`: equal parts, or those of a list."""
    values = parts.items if isinstance(parts, Items) else (parts,)
    sizes = [as_integer(value, given.exprs[1], "a part of `split`", given.span) for value in values]
    written = sizes
    if not isinstance(parts, Items):
        (count,) = sizes
        sizes = [size // count] * count if 0 < count <= size else []
    if sum(sizes) != size or min(sizes, default=0) < 1:
        wanted = f"the sizes {written}" if isinstance(parts, Items) else f"{written[0]} equal parts"
        raise RuleError(f"an axis of {size} does not split into {wanted}")
    return sizes


def _parts(given: Given, x: Value, axis: int, sizes: list[int]) -> Iterator[Value]:
    start = 0
    for size in sizes:
        op = Slice(axis, start, start + size if start + size < sum(sizes) else 0)
        yield given.scope.lowering.apply(op, [x], given.span, given.scope.origin(given.span))
        start += size


def _sum(given: Given) -> object:
    numbers, tables = given.numbers(given.list_()), [v for v in given.list_() if isinstance(v, Varying)]
    if any(table.frame is not tables[0].frame for table in tables):
        raise two_loops(given.span)
    total = sum(numbers)
    return Varying(tables[0].frame, np.asarray(total + sum(table.values for table in tables))) if tables else total


def _channels(given: Given) -> object:
    type = given.tensor().tensor
    if not type.shape:
        raise fail("E0303", "a tensor without axes has no channels", given.span, f"this is {type}")
    return type.channels


Rule = Callable[[Given], object]
RULES: dict[str, Rule] = {
    "range": _range,
    "zip": _zip,
    "enumerate": _enumerate,
    "reversed": lambda given: make_list(given.list_()[::-1], given.span),
    "len": lambda given: len(given.list_()),
    "min": _extreme(min, np.minimum),
    "max": _extreme(max, np.maximum),
    "sum": _sum,
    "int": _rounding(int, np.trunc),
    "round": _rounding(round, np.rint),
    "ceil": _rounding(math.ceil, np.ceil),
    "floor": _rounding(math.floor, np.floor),
    "shape": lambda given: make_list(given.tensor().tensor.shape, given.span),
    "split": _split,
    "channels": _channels,
    "identity": lambda given: given.values[0],
}
assert RULES.keys() == BUILTINS.keys()
