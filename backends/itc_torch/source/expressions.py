"""Expressions as Python text, with parentheses only where they are needed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from operator import add, floordiv, getitem, mul, sub, truediv
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc_torch import functions
from itc_torch.expressions import Call, Expr, Flag, Name
from itc_torch.source.layout import Bracket, Code

INFIX = {add: ("+", 1), sub: ("-", 1), mul: ("*", 2), truediv: ("/", 2), floordiv: ("//", 2)}
ATOM = 3


def code(expr: Expr) -> Code:
    """The text of an expression; the `of` of its refs are texts."""
    return _code(expr)[0]


def _code(expr: Expr) -> tuple[Code, int]:
    """Text and how tightly it binds."""
    match expr:
        case Name(of=Call() as inner):
            return _code(inner)
        case Name(of=text):
            return text, ATOM
        case Flag.TRAINING:
            return "self.training", ATOM
        case Call(function, args, kwargs):
            return _call(function, args, dict(kwargs))
        case tuple():
            return Bracket("(", tuple(map(code, expr)), ",)" if len(expr) == 1 else ")"), ATOM
        case _:
            return constant(expr), ATOM


def _call(function: Callable[..., Any] | str, args: tuple[Expr, ...], kwargs: dict[str, Expr]) -> tuple[Code, int]:
    if function in INFIX:
        return _infix(function, *args)
    if function is getitem:
        return Bracket(f"{atom(args[0])}[", (_subscript(args[1]),), "]", commas=False), ATOM
    if function is getattr:
        return f"{atom(args[0])}.{args[1]}", ATOM
    if isinstance(function, str):
        return _method(function, args, kwargs), ATOM
    return Bracket(f"{function_name(function)}(", _arguments(args, kwargs)), ATOM


def _infix(function: Callable[..., Any], left: Expr, right: Expr) -> tuple[str, int]:
    if function is add and isinstance(right, int | float) and right < 0:
        function, right = sub, -right
    sign, level = INFIX[function]
    (before, binds), (after, binds_after) = _code(left), _code(right)
    before = str(before) if binds >= level else f"({before})"
    after = str(after) if binds_after > level else f"({after})"
    return f"{before} {sign} {after}", level


def _method(name: str, args: tuple[Expr, ...], kwargs: dict[str, Expr]) -> Bracket:
    """A method call; one of a call breaks that call's items: `f(..).name(..)`."""
    receiver, arguments = code(args[0]), _arguments(args[1:], kwargs)
    if isinstance(receiver, Bracket):
        own = str(Bracket("(", arguments))
        return replace(receiver, tail=f"{receiver.tail}.{name}{own}")
    return Bracket(f"{atom(args[0])}.{name}(", arguments)


def _arguments(args: tuple[Expr, ...], kwargs: dict[str, Expr]) -> tuple[Code, ...]:
    named = (prefixed(f"{name}=", code(value)) for name, value in kwargs.items())
    return (*map(code, args), *named)


def prefixed(prefix: str, value: Code) -> Code:
    return prefix + value if isinstance(value, str) else replace(value, head=prefix + value.head)


def atom(expr: Expr) -> str:
    text, binds = _code(expr)
    return str(text) if binds == ATOM else f"({text})"


def _subscript(expr: Expr) -> str:
    if isinstance(expr, tuple):
        return ", ".join(map(_subscript, expr))
    if isinstance(expr, slice):
        bounds = ":".join("" if bound is None else str(bound) for bound in (expr.start, expr.stop))
        return bounds if expr.step is None else f"{bounds}:{expr.step}"
    return "..." if expr is Ellipsis else str(code(expr))


def function_name(function: Callable[..., Any]) -> str:
    """How a module that imports `torch` and `torch.nn.functional as F` calls a function of torch, or one of ours."""
    name = function.__name__
    if isinstance(function, type) or getattr(functions, name, None) is function:
        return name  # a class or function that the module has
    if getattr(F, name, None) is function:
        return f"F.{name}"
    assert getattr(torch, name) is function, name
    return f"torch.{name}"


def constant(value: Any) -> str:
    """A number, a truth value or a string as Python writes it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    assert value is None or isinstance(value, bool | int | float), value
    return repr(value)


def quoted(text: str) -> str:
    """A string literal in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def label_text(name: str, var: str) -> str:
    """The f-string of an output's label: `name@{var}`."""
    literal = quoted(f"{name}@").replace("{", "{{").replace("}", "}}")
    return f'f{literal[:-1]}{{{var}}}"'
