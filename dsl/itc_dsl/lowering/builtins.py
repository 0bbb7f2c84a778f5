"""The functions of compile-time values: `range`, `len`, `channels`, ..."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from itc.diagnostics import fail
from itc.ir import Value
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.scope import as_integer
from itc_dsl.lowering.values import MAX_ELEMENTS, Items, describe, is_number, is_tensor, make_list
from itc_dsl.signature import BUILTINS

Values = Sequence[object]


def call_builtin(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    """The value of a call. Raises CompileError (E0303, E0305, E0390) for arguments it does not take."""
    rule = RULES.get(name)
    if rule is not None:
        return rule(name, values, exprs, span)
    return ROUNDING[name](_finite(name, values[0], span))


def _range(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    bounds = [as_integer(v, e, "a bound of `range`", span) for v, e in zip(values, exprs, strict=True)]
    if len(bounds) == 3 and bounds[2] == 0:
        raise fail("E0307", "the step of `range` is zero", span, "never ends")
    numbers = range(*bounds)
    if len(numbers) > MAX_ELEMENTS:
        message = f"a range of {len(numbers)} numbers, at most {MAX_ELEMENTS} are possible"
        help = "what repeats so often is an `iterative` block"
        raise fail("E0390", message, span, "too long", help)
    return make_list(list(numbers), span)


def _zip(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    lists = [_list(name, value, span) for value in values]
    if len({len(items) for items in lists}) > 1:
        lengths = ", ".join(str(len(items)) for items in lists)
        raise fail("E0306", "`zip` takes lists of one length", span, f"these have {lengths}")
    return make_list([make_list(row, span) for row in zip(*lists, strict=True)], span)


def _enumerate(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    items = _list(name, values[0], span)
    return make_list([make_list(pair, span) for pair in enumerate(items)], span)


def _reversed(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    return make_list(_list(name, values[0], span)[::-1], span)


def _len(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    return len(_list(name, values[0], span))


def _extreme(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    numbers = _numbers(name, values if len(values) > 1 else _list(name, values[0], span), span)
    if not numbers:
        raise fail("E0303", f"`{name}` of an empty list", span, "nothing to choose from")
    return max(numbers) if name == "max" else min(numbers)


def _sum(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    return sum(_numbers(name, _list(name, values[0], span), span))


def _shape(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    return make_list(_tensor(name, values[0], span).tensor.shape, span)


def _channels(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    type = _tensor(name, values[0], span).tensor
    if not type.shape:
        raise fail("E0303", "a tensor without axes has no channels", span, f"this is {type}")
    return type.channels


def _identity(name: str, values: Values, exprs: Sequence[ast.Expr | None], span: Span) -> object:
    return values[0]


def _list(name: str, value: object, span: Span) -> tuple[object, ...]:
    if isinstance(value, Items):
        return value.items
    raise fail("E0303", f"`{name}` takes a list", span, f"this gets {describe(value)}")


def _numbers(name: str, values: Values, span: Span) -> list[int | float]:
    for value in values:
        if not is_number(value):
            raise fail("E0303", f"`{name}` takes numbers", span, f"this gets {describe(value)}")
    return [value for value in values if isinstance(value, int | float)]


def _finite(name: str, value: object, span: Span) -> int | float:
    (number,) = _numbers(name, [value], span)
    return number


def _tensor(name: str, value: object, span: Span) -> Value:
    if isinstance(value, Value) and is_tensor(value):
        return value
    raise fail("E0303", f"`{name}` takes a tensor", span, f"this gets {describe(value)}")


Rule = Callable[[str, Values, Sequence[ast.Expr | None], Span], object]
RULES: dict[str, Rule] = {
    "range": _range,
    "zip": _zip,
    "enumerate": _enumerate,
    "reversed": _reversed,
    "len": _len,
    "min": _extreme,
    "max": _extreme,
    "sum": _sum,
    "shape": _shape,
    "channels": _channels,
    "identity": _identity,
}
ROUNDING: dict[str, Callable[[int | float], int]] = {
    "int": int,
    "round": round,
    "ceil": math.ceil,
    "floor": math.floor,
}
assert RULES.keys() | ROUNDING.keys() == BUILTINS.keys()
