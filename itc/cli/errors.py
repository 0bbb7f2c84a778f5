"""Errors of the command line: diagnostics on standard error and exit status 1."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from signal import SIGINT
from typing import Any

from itc.cli.printing import Unwritable, abandon, print_json, say, say_diagnostics
from itc.diagnostics import CompileError, Diagnostic, fail, render

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
        _last_words(say, "interrupted", error=True)
        sys.exit(128 + SIGINT)


def _last_words(said: Callable[..., None], *words: Any, **options: Any) -> None:
    try:
        said(*words, **options)
    except Unwritable as error:
        abandon(error.file)


def report(diagnostics: Sequence[Diagnostic]) -> None:
    """Renders diagnostics on standard error, with colours where that is a terminal; the text is the same without."""
    from itc.driver import explanations  # noqa: PLC0415 -- for what is wrong only

    say_diagnostics(render(diagnostics))
    count = len(diagnostics)
    known = explanations()
    code = next((d.code for d in diagnostics if d.code in known), "")
    more = f": `itc explain {code}` says more" if code else ""
    say(error=True)
    say((f"{count} error{'s' if count > 1 else ''}", "bold"), more, error=True)
