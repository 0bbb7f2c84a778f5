"""`itc cost`: what a network costs by the paper's definitions, beside the figures its spec says are published."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table

from itc.analysis.cost import Cost
from itc.cli import options
from itc.cli.errors import reporting
from itc.figures import Compared, Published

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
        published = {p.name: p.json() for p in reversed(loaded.published) if p.kind == "published"}
        compared = [figure.json() for figure in loaded.compared(figures)]
        options.print_json({**figures.json(), "published": published, "figures": compared})
        return
    options.console().print(Group(totals(figures, loaded.compared(figures)), outputs(figures)))


def totals(figures: Cost, compared: Sequence[Compared]) -> Table:
    """The totals, with the published figures beside each where the spec has one, or else those that were counted."""
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
    for key, (name, value, unit, short) in rows.items():
        known = [c for c in compared if c.figure.name == key]
        known = [c for c in known if c.figure.kind == "published"] or known
        texts, offs = [described(c.figure) for c in known], [f"{c.off:+.1%}" for c in known]
        table.add_row(name, f"{value:,}{unit}", short, "\n".join(texts), "\n".join(offs))
    return table


def described(figure: Published) -> str:
    """A figure with what else the spec says of it."""
    about = figure.title.removeprefix("published").strip(" ,")
    return f"{figure.text} ({about})" if about else figure.text


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
