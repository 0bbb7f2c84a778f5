"""What needs rich: styles on a terminal, and tables that are wider than it. Imported for what is printed that way."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from itc.cli.plain import PIPE_WIDTH
from itc.tables import Table as TableData
from itc.visible import visible, visible_lines

#: Characters that are left of a column whose words may be broken.
FOLDED = 12
#: A text, or a text and its style.
Part = str | tuple[str, str]


class _Terminal(Console):
    """A console to which strings are text, without markup or emoji, and harmless."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible_lines(text), **options | {"markup": False, "emoji": False})


def console(error: bool = False) -> Console:
    """Standard output (or error) for tables: as wide as the terminal; in a pipe, 100 columns; text is not wrapped."""
    out = _Terminal(stderr=error, highlight=False, markup=False, emoji=False)
    if out.is_terminal or "COLUMNS" in os.environ:
        return out
    return _Terminal(stderr=error, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)


def styled(*parts: Part) -> Text:
    """A line of text for a table or a message, its parts in styles of their own."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((visible(text), style) for text, style in pairs))


def unmarked(text: str) -> str:
    """A text from elsewhere for a help, in which typer reads markup."""
    return escape(visible(text))


def drawn(table: TableData) -> Table:
    """A table that is data."""
    out = Table(
        title=table.title,
        title_justify="left",
        caption=table.legend or None,
        caption_justify="left",
        show_header=any(column.title for column in table.columns),
    )
    for column in table.columns:
        justify: Any = "right" if column.right else "left"
        out.add_column(column.title, justify=justify, overflow="fold" if column.fold else "ellipsis")
    for row in table.rows:
        out.add_row(*row)
    return out


def draw(table: Table) -> None:
    """Writes a table to standard output; where the terminal is too narrow it is wider, and no figure is cut."""
    out = console()
    for column in table.columns:
        longest = _longest_word(out, column)
        column.min_width = min(longest, FOLDED) if column.overflow == "fold" else longest
    if table.title:  # a line that is never broken, so that no part of it starts one
        out.print(Text(visible(str(table.title)), "table.title"), soft_wrap=True)
        table.title = None
    out.print(table, crop=False)


def _longest_word(out: Console, column: Column) -> int:
    return max(Measurement.get(out, out.options, cell).minimum for cell in (column.header, *column.cells))


def say_lines(*lines: Text, error: bool = False) -> None:
    """Prints lines that `styled` has made."""
    out = console(error)
    for line in lines:
        out.print(line, soft_wrap=True)


def diagnostic(line: str) -> Text:
    """A line of a rendered diagnostic in colours."""
    text = Text(line)
    text.highlight_regex(r"^error\[E\d+\]", "bold red")
    text.highlight_regex(r"^ *= help:", "bold cyan")
    text.highlight_regex(r"^ *\d* \|", "blue")
    text.highlight_regex(r"^ *(-->|:::)", "blue")
    return text
