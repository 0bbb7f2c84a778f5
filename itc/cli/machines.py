"""`itc machines`: the machines that come with the backends."""

from __future__ import annotations

from typing import Annotated

import typer

from itc import installed
from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables, say_lines


def machines(
    name: Annotated[
        str | None,
        typer.Argument(help="Print the file of this one, with the source of each value.", show_default=False),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the machines that come with the backends, or print the file of one to start from."""
    with reporting(as_json):
        offered = installed.all_machines() if name is None else [installed.machines(name)]
        text = "" if name is None else offered[0].text(name)
        chosen = [(each, each.names() if name is None else [name]) for each in offered]
        if as_json:
            print_json([each.json(machine) for each, names in chosen for machine in names])
        elif text:
            say_lines(text)
        else:
            print_tables(*(each.table(names) for each, names in chosen))
