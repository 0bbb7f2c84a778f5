"""`itc fmt`: specs in the one style, with the same words and comments."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from itc.cli.errors import reporting
from itc.diagnostics import CompileError, Diagnostic
from itc.driver import Formatted, formatted
from itc.files import write_text

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
        found = formatted(file, sys.stdin.buffer.read() if piped else None)
        changed = found.text != found.formatted
        if diff and changed:
            typer.echo(_diff(file, found), nl=False)
        elif check and changed:
            typer.echo(f"would reformat {file}")
        elif piped and not check and not diff:
            typer.echo(found.formatted.encode(), nl=False)  # in UTF-8, as specs are
        elif changed:
            write_text(file, found.formatted)
            typer.echo(f"reformatted {file}")
    except CompileError as error:
        faults += error.diagnostics
        return False
    return changed


def _diff(file: Path, found: Formatted) -> str:
    old, new = (text.splitlines(keepends=True) for text in (found.text, found.formatted))
    out = unified_diff(old, new, str(file), f"{file} (formatted)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in out)
