"""`itc cost`: what a network costs by the paper's definitions, beside the figures its spec says are published."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table

from itc.analysis.cost import Cost
from itc.cli import options
from itc.cli.errors import reporting

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
        options.print_json({**figures.json(), "published": loaded.published})
        return
    Console().print(Group(totals(figures, loaded.published), outputs(figures)))


def totals(figures: Cost, published: dict[str, str]) -> Table:
    """The totals, with the published figure beside each where the spec has one."""
    table = Table(title=f"{figures.net}: cost of one image", title_justify="left")
    table.add_column("figure")
    table.add_column("itc", justify="right")
    table.add_column("")
    table.add_column("published", justify="right")
    rows = {
        "params": ("parameters", f"{figures.params:,}", ""),
        "macs": ("MACs", f"{figures.macs:,}", f"{figures.macs / 1e9:.2f} G"),
        "graph": ("graph size", f"{figures.graph_bytes:,} B", f"{figures.graph_bytes / MIB:.2f} MiB"),
        "latency": ("latency", f"{figures.latency:,}", "counted layers"),
        "state": ("state", f"{figures.state_bytes:,} B", f"{figures.state_bytes / MIB:.2f} MiB"),
        "peak": ("peak activations", f"{figures.peak_bytes:,} B", f"{figures.peak_bytes / MIB:.2f} MiB"),
    }
    for key, (name, exact, short) in rows.items():
        table.add_row(name, exact, short, published.get(key, ""))
    return table


def outputs(figures: Cost) -> Table:
    """What has been spent when each output is handed out."""
    table = Table(title="up to and including each output", title_justify="left")
    for column in ("output", "MACs", "parameters", "graph size", "latency"):
        table.add_column(column, justify="left" if column == "output" else "right")
    for output in figures.outputs:
        size = f"{output.graph_bytes / MIB:.2f} MiB"
        table.add_row(output.label, f"{output.macs:,}", f"{output.params:,}", size, str(output.latency))
    return table
