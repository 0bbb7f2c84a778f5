"""All that the commands print goes through here: text from outside never acts on the terminal, nor is it markup.

Names, file names, arguments and settings are written with escapes for what is not printable (`itc.visible`); a line
of a message stays one line. Only `write` leaves text as it is, and only where no terminal shows it.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EPIPE
from math import isfinite
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from itc.tables import Table as TableData
from itc.visible import visible, visible_lines

#: Characters that are left of a column whose words may be broken.
FOLDED = 12
#: What typer raises for a wrong use of the command line.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
#: A text, or a text and its style.
Part = str | tuple[str, str]


class Unwritable(Exception):
    """The file of this number, standard output or error, cannot be written.

    It is no OSError, as libraries treat these in ways of their own.
    """

    def __init__(self, file: int, error: OSError) -> None:
        self.file = file
        self.reason = error.strerror or str(error)
        self.closed_pipe = error.errno == EPIPE
        super().__init__(self.reason)


class _Stream(io.FileIO):
    """A file that says with Unwritable that it cannot be written."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise Unwritable(self.fileno(), error) from None


def open_output() -> None:
    """Makes standard output and error take whatever is printed: letters that their encoding lacks are `?`.

    Where one of them is closed, what is printed there goes nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 -- until the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.flush()
            file = io.BufferedWriter(_Stream(stream.fileno(), "w", closefd=False))
            whole_lines = stream.line_buffering
            setattr(sys, name, io.TextIOWrapper(file, stream.encoding, "replace", line_buffering=whole_lines))


def abandon(file: int) -> None:
    """Sends what is still to be written to a file nowhere, so that leaving does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file)


class _Terminal(Console):
    """A console to which strings are text, without markup or emoji, and harmless."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible_lines(text), **options | {"markup": False, "emoji": False})


def console(error: bool = False) -> Console:
    """Standard output (or error) for tables: as wide as the terminal; in a pipe, 100 columns; text is not wrapped."""
    out = _Terminal(stderr=error, highlight=False, markup=False, emoji=False)
    if out.is_terminal or "COLUMNS" in os.environ:
        return out
    return _Terminal(stderr=error, highlight=False, markup=False, emoji=False, width=100)


def styled(*parts: Part) -> Text:
    """A line of text for a table or a message, its parts in styles of their own."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((visible(text), style) for text, style in pairs))


def unmarked(text: str) -> str:
    """A text from elsewhere for a help, in which typer reads markup."""
    return escape(visible(text))


def say(*parts: Part, error: bool = False) -> None:
    """Prints one line."""
    console(error).print(styled(*parts), soft_wrap=True)


def say_styled(*lines: Text, error: bool = False) -> None:
    """Prints lines that `styled` has made."""
    out = console(error)
    for line in lines:
        out.print(line, soft_wrap=True)


def say_lines(text: str) -> None:
    """Prints a text of several lines, as a stage of the pipeline or an explanation."""
    sys.stdout.write(visible_lines(text))


def write(text: str) -> None:
    """Writes what the user takes away as a file would have it: exactly, in UTF-8; on a terminal it is made harmless."""
    if sys.stdout.isatty():
        say_lines(text)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def print_tables(*tables: Table) -> None:
    """Writes tables to standard output; where the terminal is too narrow they are wider, and no figure is cut."""
    out = console()
    for table in tables:
        for column in table.columns:
            longest = _longest_word(out, column)
            column.min_width = min(longest, FOLDED) if column.overflow == "fold" else longest
        if table.title:  # a line that is never broken, so that no part of it starts one
            out.print(Text(visible(str(table.title)), "table.title"), soft_wrap=True)
            table.title = None
        out.print(table, crop=False)


def drawn(table: TableData) -> Table:
    """A table that a backend gives as data."""
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


def _longest_word(out: Console, column: Column) -> int:
    return max(Measurement.get(out, out.options, cell).minimum for cell in (column.header, *column.cells))


def print_json(value: Any) -> None:
    """Writes `value` as JSON to standard output; numbers that are not finite, which JSON has not, as null."""
    json.dump(_finite(value), sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float():
            return value if isfinite(value) else None
        case _:
            return value


@contextmanager
def visible_usage() -> Iterator[None]:
    """What is wrong with the arguments is said by typer, with the arguments in it: as `visible` has them."""
    try:
        yield
    except _UsageError as error:
        message = visible_lines(error.format_message())  # type: ignore[attr-defined]
        error.format_message = lambda: message  # type: ignore[attr-defined]
        raise
