"""Finds the number in a spec that determines the width of a tensor, to suggest an edit for a mismatch."""

from __future__ import annotations

from itc.diagnostics import Edit
from itc.ir import LAYERS
from itc_dsl import ast
from itc_dsl.signature import bind, of_operation

MAX_SHOWN = 60
WIDTH = "out"


def width_edit(expr: ast.Expr, channels: int, wanted: int) -> Edit | None:
    """The edit of the last layer in `expr` with literal width `channels` to `wanted` channels, if any."""
    stages = {stage for node in ast.walk(expr) if isinstance(node, ast.Pipe) for stage in node.stages}
    calls = [node for node in ast.walk(expr) if isinstance(node, ast.Call) and node.callee.text in LAYERS]
    for call in sorted(calls, key=lambda call: call.callee.span.start, reverse=True):
        bound, _ = bind(of_operation(call.callee.text), call, call in stages)
        for width in bound.get(WIDTH, ()):
            if isinstance(width, ast.Number) and width.value == channels:
                return Edit(width.span, str(wanted))
    return None


def mended(expr: ast.Expr, edit: Edit) -> str:
    """The text of an expression after an edit, or only the edit if that is long."""
    start = expr.span.start
    text = expr.span.text
    text = text[: edit.span.start - start] + edit.replacement + text[edit.span.end - start :]
    return text if len(text) <= MAX_SHOWN and "\n" not in text else edit.replacement
