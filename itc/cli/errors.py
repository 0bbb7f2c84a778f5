"""Errors of the command line: diagnostics on standard error and exit status 1."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from signal import SIGINT
from typing import Any

from rich.text import Text

from itc.cli.printing import Unwritable, abandon, print_json, say_styled, styled
from itc.diagnostics import CompileError, Diagnostic, fail, render
from itc.driver import explanations

STDERR = 2


@contextmanager
def reporting(as_json: bool = False) -> Iterator[None]:
    """Prints the diagnostics of a CompileError and leaves with status 1."""
    try:
        yield
    except CompileError as error:
        _leave(error, as_json)
    except MemoryError as error:
        text = f"this machine has not enough memory for it: {error}".removesuffix(": ")
        _leave(fail("E0665", text, help="make the network, its inputs or its batch smaller"), as_json)


def _leave(error: CompileError, as_json: bool) -> None:
    """Prints diagnostics and ends with status 1."""
    if as_json:
        print_json({"errors": [diagnostic.json() for diagnostic in error.diagnostics]})
    else:
        report(error.diagnostics)
    sys.exit(1)


@contextmanager
def leaving() -> Iterator[None]:
    """Leaves with status 1 where output cannot be written, quietly for a closed pipe, and with 130 on Ctrl-C."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except Unwritable as error:
        abandon(error.file)
        if error.file != STDERR and not error.closed_pipe:
            _last_words(report, fail("E0620", f"cannot write: {error.reason}").diagnostics)
        sys.exit(1)
    except KeyboardInterrupt:
        _last_words(say_styled, styled("interrupted"), error=True)
        sys.exit(128 + SIGINT)


def _last_words(said: Callable[..., None], *words: Any, **options: Any) -> None:
    try:
        said(*words, **options)
    except Unwritable as error:
        abandon(error.file)


def report(diagnostics: Sequence[Diagnostic]) -> None:
    """Renders diagnostics on standard error, with colours where that is a terminal; the text is the same without."""
    say_styled(*map(_coloured, render(diagnostics).split("\n")), error=True)
    count = len(diagnostics)
    known = explanations()
    code = next((d.code for d in diagnostics if d.code in known), "")
    more = f": `itc explain {code}` says more" if code else ""
    say_styled(styled(), styled((f"{count} error{'s' if count > 1 else ''}", "bold"), more), error=True)


def _coloured(line: str) -> Text:
    text = Text(line)
    text.highlight_regex(r"^error\[E\d+\]", "bold red")
    text.highlight_regex(r"^ *= help:", "bold cyan")
    text.highlight_regex(r"^ *\d* \|", "blue")
    text.highlight_regex(r"^ *(-->|:::)", "blue")
    return text
