"""`itc fmt`: specs in the one style, with the same words and comments."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from itc.cli.errors import reporting
from itc.cli.printing import say, write
from itc.diagnostics import CompileError, Diagnostic, fail
from itc.driver import MOST_BYTES, Formatted, formatted
from itc.files import write_text
from itc.visible import visible

Files = Annotated[
    list[Path],
    typer.Argument(help="Specs, folders of them, or `-` for standard input.", metavar="FILE...", show_default=False),
]


def fmt(
    files: Files,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; name the files that would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
) -> None:
    """Write specs in the one style. Under --check and --diff the status is 1 where a file would change."""
    with reporting():
        faults: list[Diagnostic] = []
        changed = [file for file in _specs(files) if _one(file, check, diff, faults)]
        if faults:
            raise CompileError(faults)
    if changed and (check or diff):
        raise typer.Exit(1)


def _specs(files: Iterable[Path]) -> Iterator[Path]:
    """The files in order, of a folder its specs and those in folders below that are not hidden."""
    for file in files:
        if not file.is_dir():
            yield file
            continue
        found = (path for path in file.rglob("*.itn") if path.is_file())
        yield from sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(file).parts))


def _one(file: Path, check: bool, diff: bool, faults: list[Diagnostic]) -> bool:
    """Formats a file, or says how it would; whether it changes. What is wrong with it is added to `faults`."""
    piped = str(file) == "-"
    try:
        found = formatted(file, _standard_input() if piped else None)
        changed = found.text != found.formatted
        if diff and changed:
            write(_diff(file, found))
        elif check and changed:
            say(f"would reformat {file}")
        elif piped and not check and not diff:
            write(found.formatted)
        elif changed:
            write_text(file, found.formatted)
            say(f"reformatted {file}")
    except CompileError as error:
        faults += error.diagnostics
        return False
    return changed


def _standard_input() -> bytes:
    """What is piped in, of an endless stream as much as is more than a spec. Raises CompileError (E0603)."""
    if sys.stdin is None:
        raise fail("E0603", "cannot read standard input: it is closed")
    try:
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    except OSError as error:
        raise fail("E0603", f"cannot read standard input: {error.strerror}") from None


def _diff(file: Path, found: Formatted) -> str:
    name = visible(str(file))
    old, new = (text.splitlines(keepends=True) for text in (found.text, found.formatted))
    out = unified_diff(old, new, name, f"{name} (formatted)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in out)
