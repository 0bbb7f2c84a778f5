"""Tables as plain text, as rich draws them without colours; the import of rich takes a fifth of `itc cost`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from itc.tables import Table
from itc.visible import visible_lines

#: Columns of an output that is no terminal.
PIPE_WIDTH = 100
#: Signs beyond the first scripts that take one column.
NARROW = "\u2248\u2264\u2265\u2212\u2013\u2014\u2026\u2192"  # almost equal, at most, at least, minus, dashes, ..., to
#: What makes rich treat a pipe as a terminal.
FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


def is_plain(stream: object) -> bool:
    """Whether no colours and no layout of a terminal are asked for."""
    return not getattr(stream, "isatty", lambda: False)() and not any(os.environ.get(name) for name in FORCED)


def drawing(table: Table) -> str | None:
    """The table without its title; none where it is too wide, or has letters of another width: rich must draw it."""
    head = [column.title for column in table.columns]
    rows = [[visible_lines(cell).split("\n") for cell in row] for row in table.rows]
    lines = [*rows, [[title] for title in head]]
    texts = [text for row in lines for cell in row for text in cell]
    widths = [max(len(text) for row in lines for text in row[i]) for i in range(len(head))]
    wide = sum(widths) + 3 * len(widths) + 1
    legend = visible_lines(table.legend).split("\n") if table.legend else []
    if wide > _width() or any(len(line) > wide for line in legend) or not all(map(_narrow, [*texts, *legend])):
        return None
    right = [column.right for column in table.columns]
    return "\n".join([*_boxed(head, rows, widths, right), *(line.ljust(wide) for line in legend), ""])


def _width() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() else PIPE_WIDTH


def _narrow(text: str) -> bool:
    """Whether each letter takes one column: Latin, Greek and Cyrillic ones, and signs that are printed alone."""
    return text.isascii() or all(char.isprintable() and (char < "\u0300" or char in NARROW) for char in text)


def _boxed(
    head: Sequence[str], rows: Sequence[Sequence[Sequence[str]]], widths: Sequence[int], right: Sequence[bool]
) -> Iterator[str]:
    bars = {char: [char * (width + 2) for width in widths] for char in "━─"}
    if any(head):
        yield f"┏{'┳'.join(bars['━'])}┓"
        yield f"┃ {' ┃ '.join(map(_aligned, head, widths, right))} ┃"
        yield f"┡{'╇'.join(bars['━'])}┩"
    else:
        yield f"┌{'┬'.join(bars['─'])}┐"
    for row in rows:
        for i in range(max(map(len, row))):
            cells = (cell[i] if i < len(cell) else "" for cell in row)
            yield f"│ {' │ '.join(map(_aligned, cells, widths, right))} │"
    yield f"└{'┴'.join(bars['─'])}┘"


def _aligned(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
