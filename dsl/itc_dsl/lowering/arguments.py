"""Converts compile-time values to arguments of operations (E0303-E0305)."""

from __future__ import annotations

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.ir import Value
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.scope import not_an_integer
from itc_dsl.lowering.values import Items, describe, is_number, is_tensor, of_series
from itc_dsl.signature import Accepts

MAX_SIZE = 2**31 - 1


def convert(accepts: Accepts, value: object, expr: ast.Expr | None, what: str, span: Span) -> object:
    """`value` converted for the parameter `what`: tensors stay IR values, a single number stands for an equal pair."""
    match value:
        case bool() if "boolean" in accepts:
            return value
        case None if "none" in accepts:
            return None
        case bool() | None:
            pass
        case Value() if "tensor" in accepts and is_tensor(value):
            return value
        case int() | float():
            return _number(accepts, value, expr, what, span)
        case str() if "text" in accepts or value in accepts.words:
            return value
        case str() if accepts.words:
            message = f"{describe(value)} is not one of {', '.join(accepts.words)}"
            raise fail("E0304", message, span, "not one of them")
        case Items() if {"pair", "integers", "numbers"} & accepts.kinds:
            return _list(accepts, value, what, span)
    raise _unfit(accepts, value, what, span)


def _unfit(accepts: Accepts, value: object, what: str, span: Span) -> CompileError:
    label = Label(span, f"this is {describe(value)}")
    return CompileError([Diagnostic("E0303", f"{what} takes {accepts}", label, help=of_series(value))])


def _number(accepts: Accepts, value: int | float, expr: ast.Expr | None, what: str, span: Span) -> object:
    if isinstance(value, int) and ("integer" in accepts or "pair" in accepts):
        _bounded(value, what, span)
        return value if "integer" in accepts else (value, value)
    if "number" in accepts:
        return float(value)
    if "integer" in accepts or "pair" in accepts:
        raise CompileError([not_an_integer(value, expr, what, span, describe(value))])
    raise _unfit(accepts, value, what, span)


def _list(accepts: Accepts, value: Items, what: str, span: Span) -> tuple[int | float, ...]:
    if "numbers" not in accepts:
        return _integers(accepts, value, what, span)
    numbers = tuple(float(item) for item in value.items if is_number(item) and isinstance(item, int | float))
    if len(numbers) < len(value.items):
        raise _unfit(accepts, value, what, span)
    return numbers


def _integers(accepts: Accepts, value: Items, what: str, span: Span) -> tuple[int, ...]:
    numbers = []
    for item in value.items:
        if not isinstance(item, int) or isinstance(item, bool):
            raise CompileError([not_an_integer(item, None, f"an element of {what}", span, describe(item))])
        _bounded(item, what, span)
        numbers.append(item)
    if "integers" not in accepts and len(numbers) != 2:
        raise _unfit(accepts, value, what, span)
    return tuple(numbers)


def _bounded(value: int, what: str, span: Span) -> None:
    if abs(value) > MAX_SIZE:
        raise fail("E0303", f"{what} is at most {MAX_SIZE}", span, f"this is {value}")
