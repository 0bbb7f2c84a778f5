"""`itc cost`: what a network costs by the paper's definitions, beside the figures its spec says are published."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table

from itc.analysis.cost import Cost
from itc.cli import options
from itc.cli.errors import reporting
from itc.driver import Published

KIB, MIB = 2**10, 2**20
UNITS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


def cost(
    spec: options.Spec,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Parameters, MACs, graph size, latency, state and peak memory; in total and up to each output."""
    with reporting(as_json):
        loaded = options.network(spec, network, set_)
        figures = loaded.cost()
    if as_json:
        options.print_json({**figures.json(), "published": {p.name: p.json() for p in loaded.published}})
        return
    options.console().print(Group(totals(figures, loaded.published), outputs(figures)))


def totals(figures: Cost, published: Iterable[Published]) -> Table:
    """The totals, and where the spec has published figures those beside them."""
    known = {p.name: p for p in published}
    table = Table(title=f"{figures.net}: cost of one image", title_justify="left")
    for column in ("figure", "itc", "", *(("published", "off by") if known else ())):
        table.add_column(column, justify="left" if column in ("figure", "") else "right")
    rows: dict[str, tuple[str, int, str, str]] = {
        "params": ("parameters", figures.params, "", ""),
        "macs": ("MACs", figures.macs, "", count_text(figures.macs)),
        "graph": ("graph size", figures.graph_bytes, " B", size_text(figures.graph_bytes)),
        "latency": ("latency", figures.latency, "", "convolutions"),
        "state": ("state", figures.state_bytes, " B", size_text(figures.state_bytes)),
        "peak": ("peak activations", figures.peak_bytes, " B", size_text(figures.peak_bytes)),
    }
    for key, (name, value, unit, short) in rows.items():
        beside = (known[key].text, f"{known[key].off(value):+.1%}") if key in known else ()
        table.add_row(name, f"{value:,}{unit}", short, *beside)
    return table


def size_text(size: int) -> str:
    """Bytes in the unit that shows them: MiB from a tenth of one on, else KiB."""
    return f"{size / MIB:.2f} MiB" if abs(size) >= MIB / 10 else f"{size / KIB:.2f} KiB"


def count_text(count: int) -> str:
    """A count in the unit that shows it, by thousands; nothing where it is short already."""
    unit, letter = next(((unit, letter) for unit, letter in UNITS if count >= unit), (1, ""))
    return f"{count / unit:.2f} {letter}" if letter else ""


def outputs(figures: Cost) -> Table:
    """What has been spent when each output is handed out."""
    table = Table(title="up to and including each output", title_justify="left")
    for column in ("output", "MACs", "parameters", "graph size", "latency"):
        table.add_column(column, justify="left" if column == "output" else "right")
    for output in figures.outputs:
        row = (f"{output.macs:,}", f"{output.params:,}", size_text(output.graph_bytes), str(output.latency))
        table.add_row(output.label, *row)
    return table
