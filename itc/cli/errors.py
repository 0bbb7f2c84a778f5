"""How the command line says what went wrong: diagnostics on standard error and exit status 1."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path

from rich.console import Console
from rich.text import Text

from itc.diagnostics import CompileError, Diagnostic, fail, render
from itc.driver import explanations


def open_output() -> None:
    """Makes standard output and error take whatever is printed: letters that their encoding lacks are `?`.

    Where one of them is closed, what is printed there goes nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 -- until the end
        elif isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def reporting(as_json: bool = False) -> Iterator[None]:
    """Prints the diagnostics of a CompileError and leaves with status 1; a closed pipe leaves quietly."""
    try:
        yield
    except CompileError as error:
        _leave(error, as_json)
    except MemoryError as error:
        text = f"this machine has not enough memory for it: {error}".removesuffix(": ")
        _leave(fail("E0665", text, help="make the network, its inputs or its batch smaller"), as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        report(fail("E0620", f"cannot write: {error.strerror}").diagnostics)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _leave(error: CompileError, as_json: bool) -> None:
    """Prints diagnostics and ends with status 1."""
    if as_json:
        print(json.dumps({"errors": [diagnostic.json() for diagnostic in error.diagnostics]}, indent=2))
    else:
        report(error.diagnostics)
    sys.exit(1)


def report(diagnostics: Sequence[Diagnostic]) -> None:
    """Renders diagnostics on standard error, with colours where that is a terminal; the text is the same without."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in render(diagnostics).split("\n"):
        console.print(_coloured(line))
    count = len(diagnostics)
    known = explanations()
    code = next((d.code for d in diagnostics if d.code in known), "")
    more = f": `itc explain {code}` says more" if code else ""
    console.print(Text(f"\n{count} error{'s' if count > 1 else ''}", "bold").append(more, "not bold"))


def _coloured(line: str) -> Text:
    text = Text(line)
    text.highlight_regex(r"^error\[E\d+\]", "bold red")
    text.highlight_regex(r"^ *= help:", "bold cyan")
    text.highlight_regex(r"^ *\d* \|", "blue")
    text.highlight_regex(r"^ *(-->|:::)", "blue")
    return text
