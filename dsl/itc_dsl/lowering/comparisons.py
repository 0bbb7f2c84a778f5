"""Comparisons, `and`, `or` and `not`: of compile-time values, of tables, and of tensors, whose results are masks."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from itc.diagnostics import CompileError, fail
from itc.ir import RuleError, Value
from itc.ir.ops.comparison import Compare, Maximum, Minimum
from itc_dsl import ast
from itc_dsl.lowering.scope import Scope, evaluates
from itc_dsl.lowering.tables import as_tensor, only_number, table
from itc_dsl.lowering.tensors import fits
from itc_dsl.lowering.values import Items, Varying, describe, is_number, is_tensor, leaves, same_structure

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
#: The relations of masks, as they are written and with both sides exchanged.
RELATIONS = {
    "<": ("lt", "gt"), ">": ("gt", "lt"), "<=": ("le", "ge"), ">=": ("ge", "le"), "==": ("eq", "eq"), "!=": ("ne", "ne")
}  # fmt: skip
CHOICE = "tensors are not evaluated at compile time; to choose by element: `where(mask, a, b)`"


# Truth


def logical(scope: Scope, expr: ast.Binary) -> object:
    """`and` and `or`, short-circuiting."""
    first = scope.value(expr.left)
    if is_tensor(first):
        return both_masks(scope, expr, first, scope.value(expr.right))
    left = as_truth(first, expr.left)
    decides = expr.operator.text == "or"
    if isinstance(left, bool) and left == decides:
        return left
    second = scope.value(expr.right)
    if isinstance(left, bool) and is_mask(second):
        return second
    right = as_truth(second, expr.right)
    if isinstance(left, bool):
        return right
    scope.lowering.spend(expr.span, left)
    joined: Callable[[Any, Any], Any] = np.logical_or if decides else np.logical_and
    return table(expr.span, joined, left, right)


def negated(scope: Scope, value: object, expr: ast.Unary) -> object:
    """`not` of a condition, or of each element of a mask."""
    if isinstance(value, Value) and is_mask(value):
        return scope.lowering.apply(Compare("eq"), [value], expr.span, scope.origin(expr.span))
    truth = as_truth(value, expr.operand)
    return Varying(truth.frame, ~truth.values) if isinstance(truth, Varying) else not truth


def as_truth(value: object, expr: ast.Expr) -> bool | Varying:
    """A condition: a boolean, or a table of booleans (E0308)."""
    if isinstance(value, bool) or (isinstance(value, Varying) and value.values.dtype == np.bool_):
        return value
    help = CHOICE if is_tensor(value) else ""
    help = help or ("compare it: `x > 0`" if is_number(value) else "")
    raise fail("E0308", "a condition must be true or false", expr.span, f"this is {describe(value)}", help)


# Masks


def is_mask(value: object) -> bool:
    return isinstance(value, Value) and is_tensor(value) and value.tensor.dtype == "bool"


def both_masks(scope: Scope, expr: ast.Binary, left: object, right: object) -> Value:
    """`and` or `or` of the elements of two masks (E0301, E0308)."""
    for side, value in ((expr.left, left), (expr.right, right)):
        if not is_mask(value):
            message = f"`{expr.operator.text}` takes two conditions or two masks"
            raise fail("E0308", message, side.span, f"this is {describe(value)}", "compare tensors: `x > 0 and x < 1`")
    assert isinstance(left, Value) and isinstance(right, Value)
    fits(scope, expr, left, right)
    op = Minimum() if expr.operator.text == "and" else Maximum()
    return scope.lowering.apply(op, [left, right], expr.span, scope.origin(expr.span))


def compared_tensors(scope: Scope, expr: ast.Binary, left: object, right: object) -> Value:
    """A comparison with at least one tensor: a mask (E0301, E0302, E0308)."""
    symbol = expr.operator.text
    left, right = only_number(left), only_number(right)
    tensor, other, relation = (left, right, 0) if is_tensor(left) else (right, left, 1)
    if symbol not in RELATIONS or not _comparable(other):
        raise incomparable(expr, left, right)
    assert isinstance(tensor, Value)
    if isinstance(other, Varying):
        other = as_tensor(scope, other, tensor, expr.span)
    operands = [tensor]
    if isinstance(other, Value):
        fits(scope, expr, tensor, other) if relation == 0 else fits(scope, expr, other, tensor)
        operands.append(other)
    number = float(other) if isinstance(other, int | float) else 0.0
    try:
        op = Compare(RELATIONS[symbol][relation], number)
        return scope.lowering.apply(op, operands, expr.span, scope.origin(expr.span))
    except RuleError as error:
        message = error.message.replace("`compare` of", f"`{symbol}` compares")
        raise fail("E0302", message, expr.span, "not possible", error.help) from None


def _comparable(value: object) -> bool:
    numbers = isinstance(value, Varying) and value.values.dtype != np.bool_
    return is_tensor(value) or is_number(value) or numbers


# Comparisons


@evaluates(ast.Compare)
def compare(scope: Scope, expr: ast.Compare) -> object:
    """A chain of comparisons: all of them hold."""
    values = [scope.value(operand) for operand in expr.operands]
    scope.lowering.spend(expr.span, *values)
    result: object = True
    for at, symbol in enumerate(expr.operators):
        pair = ast.Binary(expr.span, symbol, *expr.operands[at : at + 2])
        result = _both(scope, pair, result, compared(scope, pair, *values[at : at + 2]))
    return result


def _both(scope: Scope, pair: ast.Binary, before: object, step: object) -> object:
    """The conjunction of two steps of a chain."""
    if isinstance(before, bool) and (before or isinstance(step, bool)):
        return step if before else False
    if isinstance(before, Value) or isinstance(step, Value):
        both = ast.Binary(pair.span, ast.Ident(pair.operator.span, "and"), pair.left, pair.right)
        return both_masks(scope, both, before, step)
    return table(pair.span, np.logical_and, before, step)


def compared(scope: Scope, pair: ast.Binary, left: object, right: object) -> object:
    """One comparison: a boolean, a table of booleans, or a mask. Raises CompileError (E0301, E0302, E0308)."""
    symbol = pair.operator.text
    if symbol in ("==", "!=") and (left is None or right is None):
        return (left is right) == (symbol == "==")
    if is_tensor(left) or is_tensor(right):
        return compared_tensors(scope, pair, left, right)
    if isinstance(left, Varying) or isinstance(right, Varying):
        return compared_by_iteration(pair, left, right)
    if symbol in ("in", "not in"):
        if isinstance(right, Items):
            return any(equal(left, item) for item in right.items) == (symbol == "in")
    elif symbol in ("==", "!="):
        if not any(is_tensor(leaf) for side in (left, right) for leaf in leaves(side)):
            return equal(left, right) == (symbol == "==")
    elif (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return bool(COMPARISONS[symbol](left, right))
    raise incomparable(pair, left, right)


def incomparable(pair: ast.Binary, left: object, right: object) -> CompileError:
    message = f"`{pair.operator.text}` does not compare {describe(left)} with {describe(right)}"
    return fail("E0308", message, pair.span, "not possible")


def compared_by_iteration(pair: ast.Binary, left: object, right: object) -> Varying:
    symbol = pair.operator.text
    if symbol in COMPARISONS:
        return table(pair.span, COMPARISONS[symbol], left, right)
    if isinstance(left, Varying) and isinstance(right, Items) and all(map(is_number, right.items)):
        found = np.isin(left.values, np.asarray(right.items))
        return Varying(left.frame, found if symbol == "in" else ~found)
    raise fail("E0308", f"`{symbol}` takes a list of numbers", pair.span, "not possible")


def equal(left: object, right: object) -> bool:
    """Equality of compile-time values; lists are compared by element."""
    if isinstance(left, Items) and isinstance(right, Items):
        return same_structure(left, right) and all(map(equal, leaves(left), leaves(right)))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right
