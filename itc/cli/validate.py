"""`itc validate`: predicted against expected cycles and memory, for files of a vendor's figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from itc import installed
from itc.cli import options
from itc.cli.choices import completed, machine_option
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables


def validate(
    rows: Annotated[
        Path,
        typer.Argument(
            help="A .csv file: training steps of convolutions, products of matrices, or vertices; see "
            "docs/validation.md.",
            metavar="ROWS",
            show_default=False,
        ),
    ],
    machine: str = "",
    as_json: options.Json = False,
) -> None:
    """Compare the cycles and memory that a machine's model predicts with expected figures."""
    with reporting(as_json):
        offered = installed.machines(machine)
        report = offered.validate(rows, offered.load(machine))
        if as_json:
            print_json(report.json())
        else:
            print_tables(*report.tables())


def command() -> Callable[..., None]:
    """The subcommand, with the default machine of the backends that are installed."""
    return completed(validate, {"machine": machine_option()})
