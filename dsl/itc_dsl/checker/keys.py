"""Assigns each call its segment of checkpoint keys: its name as written, with `_n` for the n-th in a body."""

from __future__ import annotations

import re
from collections import Counter

from itc.diagnostics import Diagnostic, Label
from itc_dsl import ast
from itc_dsl.parser import MAX_NAME
from itc_dsl.signature import call_name

SEGMENT = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}")


def segments(definition: ast.Definition, faults: list[Diagnostic]) -> dict[ast.Call, str]:
    """The segments of the calls in a definition, in text order; they are unique (E0207)."""
    calls = [node for node in ast.walk(definition) if isinstance(node, ast.Call)]
    counts: Counter[str] = Counter()
    out: dict[ast.Call, str] = {}
    taken: dict[str, ast.Call] = {}
    for call in sorted(calls, key=lambda call: call.callee.span.start):
        name = _name(call, faults)
        counts[name] += 1
        segment = name if counts[name] == 1 else f"{name}_{counts[name]}"
        if segment in taken:
            faults.append(_collision(segment, taken[segment], call))
        taken.setdefault(segment, call)
        out[call] = segment
    return out


def _name(call: ast.Call, faults: list[Diagnostic]) -> str:
    argument = call_name(call)
    if argument is None:
        return call.callee.text
    value = argument.value
    if isinstance(value, ast.Text) and SEGMENT.fullmatch(value.value):
        return value.value
    label = Label(value.span, "not a name in quotes")
    help = 'use letters, digits and `_`: `name="stem"`'
    faults.append(Diagnostic("E0207", "the `name` of a call is a segment of keys", label, help=help))
    return call.callee.text


def _collision(segment: str, first: ast.Call, second: ast.Call) -> Diagnostic:
    return Diagnostic(
        "E0207",
        f"two calls have the key segment `{segment}`",
        Label(second.span, "this one"),
        (Label(first.span, "and this one"),),
        'give one of them another name: `name="..."`',
    )
