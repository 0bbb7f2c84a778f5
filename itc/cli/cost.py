"""`itc cost`: what a network costs by the paper's definitions, beside the figures its spec says are published."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table

from itc.analysis.cost import Cost
from itc.cli import options
from itc.cli.errors import reporting
from itc.driver import Published

MIB = 2**20


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
    """The totals, with the published figure beside each where the spec has one."""
    table = Table(title=f"{figures.net}: cost of one image", title_justify="left")
    for column in ("figure", "itc", "", "published", "off by"):
        table.add_column(column, justify="left" if column in ("figure", "") else "right")
    rows: dict[str, tuple[str, int, str, str]] = {
        "params": ("parameters", figures.params, "", ""),
        "macs": ("MACs", figures.macs, "", f"{figures.macs / 1e9:.2f} G"),
        "graph": ("graph size", figures.graph_bytes, " B", mib(figures.graph_bytes)),
        "latency": ("latency", figures.latency, "", "convolutions"),
        "state": ("state", figures.state_bytes, " B", mib(figures.state_bytes)),
        "peak": ("peak activations", figures.peak_bytes, " B", mib(figures.peak_bytes)),
    }
    known = {p.name: p for p in published}
    for key, (name, value, unit, short) in rows.items():
        beside = (known[key].text, f"{known[key].off(value):+.1%}") if key in known else ("", "")
        table.add_row(name, f"{value:,}{unit}", short, *beside)
    return table


def mib(size: int) -> str:
    return f"{size / MIB:.2f} MiB"


def outputs(figures: Cost) -> Table:
    """What has been spent when each output is handed out."""
    table = Table(title="up to and including each output", title_justify="left")
    for column in ("output", "MACs", "parameters", "graph size", "latency"):
        table.add_column(column, justify="left" if column == "output" else "right")
    for output in figures.outputs:
        row = (f"{output.macs:,}", f"{output.params:,}", mib(output.graph_bytes), str(output.latency))
        table.add_row(output.label, *row)
    return table
