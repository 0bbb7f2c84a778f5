"""The functions of compile-time values: `range`, `len`, `channels`, ..."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from itc.diagnostics import fail
from itc.ir import TensorType, Value
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.scope import as_integer
from itc_dsl.lowering.values import MAX_ELEMENTS, Items, describe, is_number, is_tensor, make_list
from itc_dsl.signature import BUILTINS


@dataclass(frozen=True)
class Given:
    """The arguments of one call; an expression is missing for what flows in through a pipe."""

    name: str
    values: Sequence[object]
    exprs: Sequence[ast.Expr | None]
    span: Span

    def list_(self, position: int = 0) -> tuple[object, ...]:
        value = self.values[position]
        if isinstance(value, Items):
            return value.items
        raise fail("E0303", f"`{self.name}` takes a list", self.span, f"this gets {describe(value)}")

    def numbers(self, values: Sequence[object]) -> list[int | float]:
        for value in values:
            if not is_number(value):
                raise fail("E0303", f"`{self.name}` takes numbers", self.span, f"this gets {describe(value)}")
        return [value for value in values if isinstance(value, int | float)]

    def tensor(self) -> TensorType:
        (value,) = self.values
        if isinstance(value, Value) and is_tensor(value):
            return value.tensor
        raise fail("E0303", f"`{self.name}` takes a tensor", self.span, f"this gets {describe(value)}")


def call_builtin(name: str, values: Sequence[object], exprs: Sequence[ast.Expr | None], span: Span) -> object:
    """The value of a call. Raises CompileError (E0303, E0305-E0307, E0390) for arguments it does not take."""
    return RULES[name](Given(name, values, exprs, span))


def _range(given: Given) -> object:
    span = given.span
    bounds = [as_integer(v, e, "a bound of `range`", span) for v, e in zip(given.values, given.exprs, strict=True)]
    if len(bounds) == 3 and bounds[2] == 0:
        raise fail("E0307", "the step of `range` is zero", span, "never ends")
    numbers = range(*bounds)
    if len(numbers) > MAX_ELEMENTS:
        message = f"a range of {len(numbers)} numbers, at most {MAX_ELEMENTS} are possible"
        help = "what repeats so often is an `iterative` block"
        raise fail("E0390", message, span, "too long", help)
    return make_list(list(numbers), span)


def _zip(given: Given) -> object:
    lists = [given.list_(position) for position in range(len(given.values))]
    if len({len(items) for items in lists}) > 1:
        lengths = ", ".join(str(len(items)) for items in lists)
        raise fail("E0306", "`zip` takes lists of one length", given.span, f"these have {lengths}")
    return make_list([make_list(row, given.span) for row in zip(*lists, strict=True)], given.span)


def _enumerate(given: Given) -> object:
    return make_list([make_list(pair, given.span) for pair in enumerate(given.list_())], given.span)


def _extreme(choose: Callable[[list[int | float]], int | float]) -> Rule:
    def rule(given: Given) -> object:
        numbers = given.numbers(given.values if len(given.values) > 1 else given.list_())
        if not numbers:
            raise fail("E0303", f"`{given.name}` of an empty list", given.span, "nothing to choose from")
        return choose(numbers)

    return rule


def _rounding(function: Callable[[int | float], int]) -> Rule:
    return lambda given: function(*given.numbers(given.values))


def _channels(given: Given) -> object:
    type = given.tensor()
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
    "min": _extreme(min),
    "max": _extreme(max),
    "sum": lambda given: sum(given.numbers(given.list_())),
    "int": _rounding(int),
    "round": _rounding(round),
    "ceil": _rounding(math.ceil),
    "floor": _rounding(math.floor),
    "shape": lambda given: make_list(given.tensor().shape, given.span),
    "channels": _channels,
    "identity": lambda given: given.values[0],
}
assert RULES.keys() == BUILTINS.keys()
