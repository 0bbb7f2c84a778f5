"""Operators on compile-time values; values that depend on the iteration are tables."""

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
from itc_dsl.lowering.scope import Scope, evaluates
from itc_dsl.lowering.tables import reached, two_loops
from itc_dsl.lowering.tensors import affine, tensors
from itc_dsl.lowering.values import (
    MAX_INTEGER,
    MAX_TEXT,
    Items,
    Varying,
    describe,
    is_number,
    is_tensor,
    leaves,
    make_list,
    same_structure,
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
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
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
        truth = as_truth(value, expr.operand)
        return Varying(truth.frame, ~truth.values) if isinstance(truth, Varying) else not truth
    if isinstance(value, Value) and is_tensor(value):
        return affine(scope, value, -1.0, 0.0, expr.span)
    if isinstance(value, Varying) and value.values.dtype != np.bool_:
        return Varying(value.frame, -value.values)
    if isinstance(value, int | float) and is_number(value):
        return -value
    raise fail("E0307", "`-` takes a number or a tensor", expr.operand.span, f"this is {describe(value)}")


# Compile-time values

#: The help for a condition on a tensor.
BY_ELEMENT = "conditions are evaluated at compile time, tensors are not; by element: `mask * a + (1 - mask) * b`"


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


def logical(scope: Scope, expr: ast.Binary) -> object:
    """`and` and `or`, short-circuiting."""
    left = as_truth(scope.value(expr.left), expr.left)
    decides = expr.operator.text == "or"
    if isinstance(left, bool) and left == decides:
        return left
    right = as_truth(scope.value(expr.right), expr.right)
    if isinstance(left, bool):
        return right
    scope.lowering.spend(expr.span, left)
    joined: Callable[[Any, Any], Any] = np.logical_or if decides else np.logical_and
    return table(expr, joined, left, right)


def as_truth(value: object, expr: ast.Expr) -> bool | Varying:
    """A condition: a boolean, or a table of booleans (E0308)."""
    if isinstance(value, bool) or (isinstance(value, Varying) and value.values.dtype == np.bool_):
        return value
    help = BY_ELEMENT if is_tensor(value) else ""
    help = help or ("compare it: `x > 0`" if is_number(value) else "")
    raise fail("E0308", "a condition must be true or false", expr.span, f"this is {describe(value)}", help)


@evaluates(ast.Compare)
def compare(scope: Scope, expr: ast.Compare) -> object:
    """A chain of comparisons."""
    values = [scope.value(operand) for operand in expr.operands]
    scope.lowering.spend(expr.span, *values)
    result: bool | Varying = True
    for symbol, left, right in zip(expr.operators, values, values[1:], strict=False):
        step = compared(expr, symbol, left, right)
        if isinstance(result, bool) and isinstance(step, bool):
            result = result and step
        else:
            result = table(expr, np.logical_and, result, step)
    return result


def compared(expr: ast.Compare, symbol: ast.Ident, left: object, right: object) -> bool | Varying:
    if isinstance(left, Varying) or isinstance(right, Varying):
        return compared_by_iteration(expr, symbol, left, right)
    if symbol.text in ("in", "not in"):
        if isinstance(right, Items):
            return any(equal(left, item) for item in right.items) == (symbol.text == "in")
    elif symbol.text in ("==", "!="):
        if not any(is_tensor(leaf) for side in (left, right) for leaf in leaves(side)):
            return equal(left, right) == (symbol.text == "==")
    elif (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return bool(COMPARISONS[symbol.text](left, right))
    message = f"`{symbol.text}` does not compare {describe(left)} with {describe(right)}"
    tensor = any(is_tensor(leaf) for side in (left, right) for leaf in leaves(side))
    raise fail("E0308", message, expr.span, "not possible", BY_ELEMENT if tensor else "")


def compared_by_iteration(expr: ast.Compare, symbol: ast.Ident, left: object, right: object) -> Varying:
    if symbol.text in COMPARISONS:
        return table(expr, COMPARISONS[symbol.text], left, right)
    if isinstance(left, Varying) and isinstance(right, Items) and all(map(is_number, right.items)):
        found = np.isin(left.values, np.asarray(right.items))
        return Varying(left.frame, found if symbol.text == "in" else ~found)
    raise fail("E0308", f"`{symbol.text}` takes a list of numbers", expr.span, "not possible")


def equal(left: object, right: object) -> bool:
    """Equality of compile-time values; lists are compared by element."""
    if isinstance(left, Items) and isinstance(right, Items):
        return same_structure(left, right) and all(map(equal, leaves(left), leaves(right)))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


# Values that depend on the iteration


def varying(expr: ast.Binary, left: object, right: object) -> Varying:
    """Arithmetic for all iterations at once, with the limits of `number`."""
    symbol = expr.operator.text
    if any(isinstance(side, Varying) and side.values.dtype == np.bool_ for side in (left, right)):
        raise fail("E0307", f"`{symbol}` takes numbers", expr.span, "this is a boolean for each iteration")
    with np.errstate(all="ignore"):
        rough = table(expr, NUMBERS[symbol], as_float(left), as_float(right))
        entries = reached(rough).astype(float)
        if not np.isfinite(entries).all() or np.abs(entries).max() > 2**53:
            raise fail("E0307", f"`{symbol}` has no valid result in some iteration", expr.span, "not possible")
        return rough if symbol == "**" else table(expr, NUMBERS[symbol], left, right)


def as_float(value: object) -> object:
    return Varying(value.frame, value.values.astype(np.float64)) if isinstance(value, Varying) else value


def table(expr: ast.Expr, function: Callable[[Any, Any], Any], left: object, right: object) -> Varying:
    """`function` of two values, at least one of them a table; two tables must belong to the same loop (E0412)."""
    frames = [side.frame for side in (left, right) if isinstance(side, Varying)]
    if len(frames) == 2 and frames[0] is not frames[1]:
        raise two_loops(expr.span)
    sides = [side.values if isinstance(side, Varying) else side for side in (left, right)]
    for side in (left, right):
        if not isinstance(side, Varying | bool) and not is_number(side):
            message = f"{describe(side)} cannot be combined with a value that depends on `iteration`"
            raise fail("E0412", message, expr.span, "not possible")
    return Varying(frames[0], np.asarray(function(*sides)))
