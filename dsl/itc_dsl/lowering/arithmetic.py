"""Arithmetic of compile-time values; values that depend on the iteration are tables."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.ir import Value
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.comparisons import logical, negated
from itc_dsl.lowering.scope import Scope, evaluates
from itc_dsl.lowering.tables import reached, table
from itc_dsl.lowering.tensors import affine, tensors
from itc_dsl.lowering.values import (
    MAX_INTEGER,
    MAX_TEXT,
    Items,
    Varying,
    describe,
    is_number,
    is_tensor,
    make_list,
)

NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


@evaluates(ast.Binary)
def binary(scope: Scope, expr: ast.Binary) -> object:
    if expr.operator.text in ("and", "or"):
        return logical(scope, expr)
    left, right = scope.value(expr.left), scope.value(expr.right)
    scope.lowering.spend(expr.span, left, right)
    if is_tensor(left) or is_tensor(right):
        return tensors(scope, expr, left, right)
    if isinstance(left, Varying) or isinstance(right, Varying):
        return varying(expr, left, right)
    return computed(expr, left, right)


@evaluates(ast.Unary)
def unary(scope: Scope, expr: ast.Unary) -> object:
    value = scope.value(expr.operand)
    if expr.operator == "not":
        return negated(scope, value, expr)
    if isinstance(value, Value) and is_tensor(value):
        return affine(scope, value, -1.0, 0.0, expr.span)
    if isinstance(value, Varying) and value.values.dtype != np.bool_:
        return Varying(value.frame, -value.values)
    if isinstance(value, int | float) and is_number(value):
        return -value
    raise fail("E0307", "`-` takes a number or a tensor", expr.operand.span, f"this is {describe(value)}")


# Compile-time values

#: The help for a condition on a tensor.


def computed(expr: ast.Binary, left: object, right: object) -> object:
    """Arithmetic of numbers, lists and strings. Raises CompileError (E0307, E0390)."""
    symbol = expr.operator.text
    if is_number(left) and is_number(right):
        return number(symbol, left, right, expr.span)
    if symbol == "+" and isinstance(left, Items) and isinstance(right, Items):
        return make_list(left.items + right.items, expr.span)
    if symbol == "*" and isinstance(left, Items) and isinstance(right, int):
        return repeated(left, right, expr.span)
    if symbol == "+" and isinstance(left, str) and isinstance(right, str) and len(left) + len(right) <= MAX_TEXT:
        return left + right
    message = f"`{symbol}` does not take {describe(left)} and {describe(right)}"
    labels = tuple(Label(e.span, describe(v)) for e, v in ((expr.left, left), (expr.right, right)))
    raise CompileError([Diagnostic("E0307", message, Label(expr.operator.span), labels)])


def repeated(items: Items, times: int, span: Span) -> Items:
    if items.size * max(times, 0) > MAX_INTEGER or len(items.items) * times > 10**6:
        raise fail("E0390", f"a list of {len(items.items) * times} elements is too long", span, "too long")
    return make_list(items.items * max(times, 0), span)


def number(symbol: str, left: Any, right: Any, span: Span) -> int | float:
    """One arithmetic operation, exact and bounded."""
    if symbol == "**" and abs(left) > 1 and right * math.log2(abs(left)) > 62:
        raise fail("E0307", f"{left} ** {right} is too large", span, f"numbers stay below {MAX_INTEGER}")
    try:
        value = NUMBERS[symbol](left, right)
    except ZeroDivisionError:
        raise fail("E0307", "division by zero", span, f"{left} {symbol} {right}") from None
    except OverflowError:
        value = math.inf
    if isinstance(value, complex) or not math.isfinite(value) or abs(value) > MAX_INTEGER:
        raise fail("E0307", f"{left} {symbol} {right} is not a number below {MAX_INTEGER}", span, "not possible")
    return value  # type: ignore[no-any-return]


# Values that depend on the iteration


def varying(expr: ast.Binary, left: object, right: object) -> Varying:
    """Arithmetic for all iterations at once, with the limits of `number`."""
    symbol = expr.operator.text
    if any(isinstance(side, Varying) and side.values.dtype == np.bool_ for side in (left, right)):
        raise fail("E0307", f"`{symbol}` takes numbers", expr.span, "this is a boolean for each iteration")
    with np.errstate(all="ignore"):
        rough = table(expr.span, NUMBERS[symbol], as_float(left), as_float(right))
        entries = reached(rough).astype(float)
        if not np.isfinite(entries).all() or np.abs(entries).max() > 2**53:
            raise fail("E0307", f"`{symbol}` has no valid result in some iteration", expr.span, "not possible")
        return rough if symbol == "**" else table(expr.span, NUMBERS[symbol], left, right)


def as_float(value: object) -> object:
    return Varying(value.frame, value.values.astype(np.float64)) if isinstance(value, Varying) else value
