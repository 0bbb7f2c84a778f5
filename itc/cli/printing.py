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
from contextvars import ContextVar
from errno import EPIPE
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itc.cli.plain import drawing, is_plain
from itc.tables import Table
from itc.visible import visible, visible_lines

if TYPE_CHECKING:
    from rich.table import Table as RichTable

#: Whether a command says only what is wrong.
_hushed = ContextVar("hushed", default=False)
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


@contextmanager
def hushed(quiet: bool) -> Iterator[None]:
    """Inside it a `quiet` command does not say what it does; what is asked of it and errors are printed."""
    token = _hushed.set(quiet)
    try:
        yield
    finally:
        _hushed.reset(token)


def terminal() -> Any:
    """The module for what needs rich, imported here."""
    return import_module("itc.cli.terminal")


def say(*parts: Part, error: bool = False) -> None:
    """Prints one line."""
    if _hushed.get() and not error:
        return
    stream = sys.stderr if error else sys.stdout
    if is_plain(stream):
        stream.write("".join(visible(part if isinstance(part, str) else part[0]) for part in parts) + "\n")
        stream.flush()
    else:
        terminal().say_lines(terminal().styled(*parts), error=error)


def say_diagnostics(text: str) -> None:
    """Prints rendered diagnostics on standard error, with colours where that is a terminal."""
    if is_plain(sys.stderr):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    else:
        terminal().say_lines(*map(terminal().diagnostic, text.split("\n")), error=True)


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


def print_tables(*tables: Table | RichTable) -> None:
    """Writes tables to standard output, whatever their width; those that are not data have styles of their own."""
    if _hushed.get():
        return
    for table in tables:
        if not isinstance(table, Table):
            terminal().draw(table)
            continue
        text = drawing(table) if is_plain(sys.stdout) else None
        if text is None:
            terminal().draw(terminal().drawn(table))
        else:
            sys.stdout.write(f"{visible(table.title)}\n{text}" if table.title else text)


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
