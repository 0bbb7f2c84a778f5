"""Arguments and options that several subcommands share, and what they load."""

from __future__ import annotations

import json
import os
import sys
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from itc.driver import Network, find_pass, load, parse_settings
from itc.passes import WrongPass
from itc.transforms import PASSES, PIPELINES

Spec = Annotated[Path, typer.Argument(help="The spec, an .itn file.", metavar="SPEC", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set a parameter (f=29) or an annotation (refine.share=none); again for more, the last of a name holds.",
    ),
]
NetworkName = Annotated[
    str | None, typer.Option("--network", help="Which network of the file; the first unless given.", metavar="NAME")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables; the keys are in docs/json.md.")]
MachineName = Annotated[
    str, typer.Option("--machine", "-m", help="A machine by name (see `itc machines`) or a machine file.")
]
#: Characters that are left of a column whose words may be broken.
FOLDED = 12

After = Annotated[
    list[str] | None,
    typer.Option(
        "--after",
        metavar="PASS",
        help="The network behind a pass or pipeline; again for more, in this order. Passes: "
        f"{', '.join(p.name for p in PASSES)}, and a backend's, such as fuse. Pipelines: "
        f"{', '.join(p.name for p in PIPELINES)}. Options: 'unroll(factor=2)', 'peel(first=1, last=1)'.",
    ),
]


def check_passes(names: list[str] | None) -> None:
    """Ends the command as used wrongly where there is no such pass."""
    try:
        for name in names or []:
            find_pass(name)
    except WrongPass as error:
        raise typer.BadParameter(str(error), param_hint="'--after'") from None


def network(spec: Path, name: str | None, settings: list[str] | None) -> Network:
    """The network that the shared arguments name."""
    return load(spec, name, **parse_settings(settings or []))


class _Console(Console):
    """Says that a pipe is closed as files do; rich would leave with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console() -> Console:
    """Standard output for tables: as wide as the terminal; in a pipe, 100 columns, and text is not wrapped."""
    out = _Console(highlight=False)
    return out if out.is_terminal or "COLUMNS" in os.environ else _Console(highlight=False, width=100)


def print_tables(*tables: Table) -> None:
    """Writes tables to standard output; where the terminal is too narrow they are wider, and no figure is cut."""
    out = console()
    for table in tables:
        for column in table.columns:
            longest = _longest_word(out, column)
            column.min_width = min(longest, FOLDED) if column.overflow == "fold" else longest
        out.print(table, crop=False)


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
