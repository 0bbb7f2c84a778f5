"""`itc cost`: what a network costs by the paper's definitions, beside the figures its spec says are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itc.analysis.cost_tables import outputs, totals
from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables
from itc.tables import Column, Table
from itc.units import size_text

if TYPE_CHECKING:
    from itc.analysis.cost import Cost


def cost(
    spec: options.Spec,
    after: options.After = None,
    precision: options.Precision = "f32",
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Parameters, MACs, graph size, latency, state and peak memory; in total and up to each output."""
    passes = options.passes(after, precision)
    with reporting(as_json):
        loaded = options.network(spec, network, set_)
        steps = [("the spec", loaded.cost()), *((name, net.cost()) for name, net in loaded.steps(*passes))]
        _, figures = steps[-1]
    if as_json:
        published = {p.name: p.json() for p in reversed(loaded.published) if p.kind == "published"}
        compared = [figure.json() for figure in loaded.compared(figures)]
        changes = {"passes": [{"pass": name, **summary(found)} for name, found in steps[1:]]} if passes else {}
        print_json({**figures.json(), "published": published, "figures": compared, **changes})
        return
    tables = [totals(figures, loaded.compared(figures)), outputs(figures)]
    print_tables(*tables, *[changed(steps)] * bool(passes))


def summary(figures: Cost) -> dict[str, int]:
    """The totals, without the network's name and its outputs."""
    return {name: value for name, value in figures.json().items() if isinstance(value, int)}


#: The totals as they are in a column: parameters and MACs in full, bytes in short.
FORMS = {"params": "{:,}", "macs": "{:,}", "graph_bytes": "", "latency": "{}", "state_bytes": "", "peak_bytes": ""}
TITLES = ("parameters", "MACs", "graph size", "latency", "state", "peak activations")


def changed(steps: list[tuple[str, Cost]]) -> Table:
    """The totals of the spec, and behind each pass that changed one of them those that it did."""
    rows = []
    before: dict[str, int] = {}
    for name, figures in steps:
        now = summary(figures)
        cells = ((key, form.format(now[key]) or size_text(now[key])) for key, form in FORMS.items())
        rows.append((name, *(text if now[key] != before.get(key) else "" for key, text in cells)))
        before = now
    columns = (Column("pass"), *(Column(title, right=True) for title in TITLES))
    return Table("what the passes changed", columns, tuple(rows))
