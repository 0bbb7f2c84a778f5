"""`itc machines`: the machines that come with itc."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from itc.cli import options
from itc.cli.errors import reporting
from itc.driver import machine_backend


def machines(as_json: options.Json = False) -> None:
    """List the machines that come with itc."""
    with reporting(as_json):
        rows = [machine.json() for machine in machine_backend().machines()]
    if as_json:
        options.print_json(rows)
        return
    table = Table(title="Machines (show one with its sources: its file in itc_tile/machines)")
    for column in ("name", "tiles", "memory a tile", "memory", "clock", "peak f32", "exchange"):
        table.add_column(column, justify="left" if column in ("name", "exchange") else "right")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['tiles']}",
            f"{row['tile_bytes'] / 1024:.0f} KiB",
            f"{row['tiles'] * row['tile_bytes'] / 2**20:.0f} MiB",
            f"{row['clock_hz'] / 1e9:.3f} GHz",
            f"{row['peak_macs_per_cycle'] * row['clock_hz'] / 1e12:.1f} TMAC/s",
            row["exchange"],
        )
    Console().print(table)
