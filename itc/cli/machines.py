"""`itc machines`: the machines that come with itc."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.table import Table

from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables, say_lines
from itc.driver import machine_backend


def machines(
    name: Annotated[
        str | None,
        typer.Argument(help="Print the file of this one, with the source of each value.", show_default=False),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the machines that come with itc, or print the file of one to start from."""
    with reporting(as_json):
        text = machine_backend().machine_text(name) if name is not None else ""
        found = [machine for machine in machine_backend().machines() if name in (None, machine.name)]
    if as_json:
        print_json([machine.model_dump(mode="json", by_alias=True) for machine in found])
    elif text:
        say_lines(text)
    else:
        print_tables(_table(found))


def _table(machines: Iterable[Any]) -> Table:
    table = Table(title="machines", title_justify="left")
    for column in ("name", "tiles", "memory a tile", "memory", "clock", "peak in f32", "network"):
        table.add_column(column, justify="left" if column in ("name", "network") else "right")
    for machine in machines:
        table.add_row(*_row(machine))
    return table


def _row(machine: Any) -> tuple[str, ...]:
    peak = machine.tiles * machine.compute["f32"].peak * machine.clock if "f32" in machine.compute else 0
    return (
        machine.name,
        f"{machine.tiles:,}",
        f"{machine.tile.memory / 2**10:.0f} KiB",
        f"{machine.memory / 2**20:.0f} MiB",
        f"{machine.clock / 1e9:.3f} GHz",
        f"{peak / 1e12:.1f} TMAC/s",
        machine.exchange.network,
    )
