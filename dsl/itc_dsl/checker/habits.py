"""Helps for what other frameworks write: a batch axis in an input, a block of `std` without its import, `return`."""

from __future__ import annotations

from itc.diagnostics import Edit
from itc_dsl import ast
from itc_dsl.program import std_names

#: Names of a batch size in an input's type.
BATCH = frozenset({"batch", "batch_size", "bs", "b", "n", "B", "N", "BATCH", "None"})
Help = tuple[str, Edit | None]


def batch_axis(statement: ast.Input, name: ast.Name) -> Help:
    """The help for an unknown name that stands for the batch size: the first axis goes."""
    if name is not statement.shape[0] or name.text not in BATCH or len(statement.shape) == 1:
        return "", None
    source, end = name.span.source, statement.shape[1].span.start
    rest = source.text[end : statement.shape[-1].span.end]
    help = f"types are those of one image, without the batch axis: `{statement.dtype.text}[{rest}]`"
    return help, Edit(source.span(name.span.start, end), "")


def import_of(module: ast.Module, name: str) -> Help:
    """The help for the name of a block of the standard library that is not imported."""
    if name not in std_names():
        return "", None
    help = f"it is a block of the standard library: `from std import {name}`"
    before = next((line for line in module.imports if line.module.text == "std"), None)
    if before:
        end = before.names[-1].span.end
        return help, Edit(module.source.span(end, end), f", {name}")
    start = module.imports[0].span.start if module.imports else _first(module)
    return help, Edit(module.source.span(start, start), f"from std import {name}\n\n")


def _first(module: ast.Module) -> int:
    """The start of the comment above the first definition, or of the definition."""
    first = module.definitions[0]
    start: int = min(node.span.start for node in (first, *getattr(first, "annotations", ())))
    text = module.source.text
    while (above := text.rfind("\n", 0, max(start - 1, 0)) + 1) < start and text[above] == "#":
        start = above
    return start


def emit_for(statement: ast.Return) -> Help:
    """The help for `return` in a network."""
    source, start = statement.span.source, statement.span.start
    edit = Edit(source.span(start, start + len("return")), "emit y =")
    return "outputs of a network are emitted: `emit y = ...`", edit
