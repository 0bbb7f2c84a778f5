"""Settings as text: `name=value` of a command line in, a Python value out, and the reverse."""

from __future__ import annotations

import re
from math import isfinite

import numpy as np

from itc.diagnostics import fail
from itc.source import Source
from itc_dsl import ast
from itc_dsl.parser import parse_override
from itc_dsl.syntax import RESERVED

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\(\d+\))?")
SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
#: Maximum nesting depth of lists in a setting, and maximum number of items in total.
MAX_NESTED = 50
MAX_ITEMS = 100_000


class Quoted(str):
    """A string in quotes, which cannot be the name of a block or an operation."""

    __slots__ = ()


def parse_setting(text: str) -> tuple[str, object]:
    """The name and the value of `name=value`: numbers, true, false, none, strings, words, `every(4)`, lists of these.

    Words and `every(4)` come as strings, strings as Quoted. Raises CompileError (E0112) for anything else.
    """
    override = parse_override(Source("settings", text))
    return ".".join(part.text for part in override.path), _plain(override.value)


def _plain(value: ast.Expr) -> object:
    match value:
        case ast.Number(value=plain) | ast.Constant(value=plain):
            return plain
        case ast.Text(value=text):
            return Quoted(text)
        case ast.Name(text=text):
            return text
        case ast.Unary(operand=ast.Number(value=number)):
            return -number
        case ast.List(items=items):
            return [_plain(item) for item in items]
    return value.span.text.replace(" ", "")


def setting_text(name: str, value: object) -> str:
    """`name=value` as spec text, for a Python value (E0112 if it has no text form)."""
    if not isinstance(name, str) or not SETTING.fullmatch(name):
        raise fail("E0112", f"{name!r:.60} is not the name of a setting", help="`f`, or `refine.share`")
    _bounded(name, value)
    return f"{name}={_literal(name, value)}"


def _bounded(name: str, value: object) -> None:
    """Raises CompileError (E0112) for lists with too many items or too deep nesting, including cyclic lists."""
    stack, count = [(value, 0)], 0
    while stack:
        item, depth = stack.pop()
        if isinstance(item, list | tuple | range):
            count += len(item)
            if depth == MAX_NESTED or count > MAX_ITEMS:
                what = f"lists nested deeper than {MAX_NESTED}" if depth == MAX_NESTED else f"{count:,} items"
                raise fail("E0112", f"the setting `{name}` cannot be {what}", help=f"at most {MAX_ITEMS:,} items")
            stack.extend((inner, depth + 1) for inner in item)


def _literal(name: str, value: object) -> str:
    """A value as spec text."""
    match value.item() if isinstance(value, np.generic) else value:
        case bool(plain):
            return "true" if plain else "false"
        case None:
            return "none"
        case int(number) if abs(number) < 10**18:
            return repr(int(number))
        case float(number) if isfinite(number):
            return repr(float(number))
        case str(text):
            return _string(name, text)
        case list() | tuple() | range() as items:
            return f"[{', '.join(_literal(name, item) for item in items)}]"
    raise fail("E0112", f"the setting `{name}` cannot be {_described(value)}", help=_SETTABLE)


_SETTABLE = "numbers below 1e18, true, false, none, strings, and lists of these"


def _described(value: object) -> str:
    """The description of a value that cannot be a setting."""
    if isinstance(value, int):
        return "an integer of 19 digits or more"
    if isinstance(value, float):
        return repr(value)
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _string(name: str, text: str) -> str:
    """A word unchanged, any other string in quotes."""
    if "." in name or (WORD.fullmatch(text) and text not in RESERVED and not isinstance(text, Quoted)):
        return str(text)
    quote = "'" if '"' in text else '"'
    if "\n" in text or quote in text:
        help = "a string has one line, and at most one kind of quotes"
        raise fail("E0112", f"the setting `{name}` cannot be the string {text!r:.60}", help=help)
    return f"{quote}{text}{quote}"
