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
    after: options.After = None,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Parameters, MACs, graph size, latency, state and peak memory; in total and up to each output."""
    options.check_passes(after)
    with reporting(as_json):
        loaded = options.network(spec, network, set_)
        steps = [("the spec", loaded.cost()), *((name, net.cost()) for name, net in loaded.steps(*after or ()))]
        _, figures = steps[-1]
    if as_json:
        changes = {"passes": [{"pass": name, **summary(found)} for name, found in steps[1:]]} if after else {}
        options.print_json({**figures.json(), "published": {p.name: p.json() for p in loaded.published}, **changes})
        return
    tables = [totals(figures, loaded.published), outputs(figures)]
    options.console().print(Group(*tables, *[changed(steps)] * bool(after)))


def summary(figures: Cost) -> dict[str, int]:
    """The totals, without the network's name and its outputs."""
    return {name: value for name, value in figures.json().items() if isinstance(value, int)}


def changed(steps: list[tuple[str, Cost]]) -> Table:
    """The totals of the spec, and behind each pass that changed one of them those that it did."""
    table = Table(title="what the passes changed", title_justify="left")
    for column in ("pass", "parameters", "MACs", "graph size", "latency", "state", "peak activations"):
        table.add_column(column, justify="left" if column == "pass" else "right")
    before: dict[str, int] = {}
    for name, figures in steps:
        now = summary(figures)
        shown = {
            "params": "{:,}",
            "macs": "{:,}",
            "graph_bytes": "",
            "latency": "{}",
            "state_bytes": "",
            "peak_bytes": "",
        }
        cells = ((key, form.format(now[key]) or mib(now[key])) for key, form in shown.items())
        table.add_row(name, *(text if now[key] != before.get(key) else "" for key, text in cells))
        before = now
    return table


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
