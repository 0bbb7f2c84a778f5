"""`itc fmt`: specs in the one style, with the same words and comments."""

from __future__ import annotations

import sys
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

from itc.cli import options
from itc.cli.arguments import Option
from itc.cli.errors import reporting
from itc.cli.printing import hushed, say, write
from itc.diagnostics import CompileError, Diagnostic
from itc.driver import Formatted, formatted
from itc.files import write_text
from itc.visible import visible


def fmt(
    files: options.Specs,
    check: Annotated[bool, Option(("--check",), "Write nothing; name the files that would change.")] = False,
    diff: Annotated[bool, Option(("--diff",), "Write nothing; print what would change.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Write specs in the one style. Under --check and --diff the status is 1 where a file would change."""
    with reporting(), hushed(quiet):
        faults: list[Diagnostic] = []
        changed = [file for file in options.specs(files) if _one(file, check, diff, faults)]
        if faults:
            raise CompileError(faults)
    if changed and (check or diff):
        sys.exit(1)


def _one(file: Path, check: bool, diff: bool, faults: list[Diagnostic]) -> bool:
    """Formats a file, or says how it would; whether it changes. What is wrong with it is added to `faults`."""
    piped = str(file) == "-"
    try:
        found = formatted(file)
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


def _diff(file: Path, found: Formatted) -> str:
    name = visible(str(file))
    old, new = (text.splitlines(keepends=True) for text in (found.text, found.formatted))
    out = unified_diff(old, new, name, f"{name} (formatted)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in out)
