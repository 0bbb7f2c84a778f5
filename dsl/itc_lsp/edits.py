"""Changes of a text on request: the style of `itc fmt`, and new names."""

from __future__ import annotations

import re
from pathlib import Path

from lsprotocol.types import Position, Range, TextEdit

from itc.diagnostics import CompileError
from itc_dsl import ast, format_source
from itc_lsp.analysis import Analysis, analyse
from itc_lsp.positions import offset, position, range_of
from itc_lsp.symbols import name_at, references, symbol_of
from itc_lsp.words import KEYWORDS

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Refused(Exception):
    """A request that cannot be carried out; its text says why."""


def formatted(analysis: Analysis) -> list[TextEdit]:
    """The edit that brings a text into the style; none for a text in the style, or one that cannot be parsed."""
    try:
        text = format_source(analysis.source)
    except CompileError:
        return []
    whole = Range(Position(0, 0), position(analysis.source, len(analysis.source.text)))
    return [] if text == analysis.source.text else [TextEdit(whole, text)]


def renamable(analysis: Analysis, at: Position) -> Range:
    """The range of the name under the cursor. Raises Refused if it cannot be renamed."""
    name = name_at(analysis, offset(analysis.source, at))
    symbol = symbol_of(analysis, name) if name else None
    if name is None or symbol is None:
        raise Refused("there is no variable, block or network here")
    if any(span.source is not analysis.source for span in symbol.declared):
        raise Refused(f"`{symbol.name}` is defined in {symbol.declared[0].source.name}")
    return range_of(name.span)


def renamed(analysis: Analysis, at: Position, name: str) -> list[TextEdit]:
    """The edits that rename the symbol under the cursor. Raises Refused where the spec would mean something else."""
    renamable(analysis, at)
    symbol = symbol_of(analysis, _named(analysis, at))
    assert symbol is not None
    if not NAME.match(name) or name in KEYWORDS:
        raise Refused(f"`{name}` is not a name")
    spans = references(analysis, symbol)
    if any(isinstance(node, ast.Ident | ast.Name) and node.text == name for node in ast.walk(*_trees(analysis))):
        raise Refused(f"there is a `{name}` already")
    text = analysis.source.text
    for span in reversed(spans):
        text = text[: span.start] + name + text[span.end :]
    _check_same(analysis, analyse(text, Path(analysis.source.name)))
    return [TextEdit(range_of(span), name) for span in spans]


def _trees(analysis: Analysis) -> tuple[ast.Module, ...]:
    return (analysis.tree,) if analysis.tree else ()


def _named(analysis: Analysis, at: Position) -> ast.Ident | ast.Name:
    name = name_at(analysis, offset(analysis.source, at))
    assert name is not None
    return name


def _check_same(before: Analysis, after: Analysis) -> None:
    """Raises Refused where a text has other errors than before."""
    if [each.code for each in before.diagnostics] != [each.code for each in after.diagnostics]:
        reasons = [each.message for each in after.diagnostics]
        raise Refused(f"the spec would no longer compile: {reasons[0] if reasons else 'its errors change'}")
