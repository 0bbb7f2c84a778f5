"""Tables as HTML, for notebooks: text from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from itc.tables import Column, Table
from itc.visible import visible_lines


def html(table: Table) -> str:
    """The table with its title as a caption, and its legend below it."""
    head = _row("th", table.columns, (column.title for column in table.columns)) if _has_heads(table) else ""
    body = "".join(_row("td", table.columns, row) for row in table.rows)
    legend = f"<p><small>{_text(table.legend)}</small></p>" if table.legend else ""
    return f"<table><caption>{_text(table.title)}</caption>{head}{body}</table>{legend}"


def _has_heads(table: Table) -> bool:
    return any(column.title for column in table.columns)


def _row(tag: str, columns: Iterable[Column], cells: Iterable[str]) -> str:
    aligned = zip(columns, cells, strict=True)
    texts = (f'<{tag} style="text-align:{"right" if c.right else "left"}">{_text(text)}</{tag}>' for c, text in aligned)
    return f"<tr>{''.join(texts)}</tr>"


def _text(text: str) -> str:
    return escape(visible_lines(text)).replace("\n", "<br>")
