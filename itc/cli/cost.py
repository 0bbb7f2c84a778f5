"""`itc cost`: what a network costs by the paper's definitions, beside the figures its spec says are published."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from itc.analysis.cost import Cost
from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables
from itc.figures import Compared, Published
from itc.transforms.quantize import quantization
from itc.units import count_text, size_text


def cost(
    spec: options.Spec,
    after: options.After = None,
    precision: options.InPrecision = options.Precision.F32,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Parameters, MACs, graph size, latency, state and peak memory; in total and up to each output."""
    options.check_passes(after)
    passes = (*(after or ()), *quantization(precision.value))
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
        cells = ((key, form.format(now[key]) or size_text(now[key])) for key, form in shown.items())
        table.add_row(name, *(text if now[key] != before.get(key) else "" for key, text in cells))
        before = now
    return table


def totals(figures: Cost, compared: Sequence[Compared]) -> Table:
    """The totals, with the published figures beside each where the spec has one, or else those that were counted."""
    table = Table(title=f"{figures.net}: cost of one image", title_justify="left")
    for column in ("figure", "itc", "", *(("published", "off by") if compared else ())):
        table.add_column(column, justify="left" if column in ("figure", "") else "right")
    bytes = {"bytes": ("bytes of parameters", figures.param_bytes, " B", size_text(figures.param_bytes))}
    rows: dict[str, tuple[str, int, str, str]] = {
        "params": ("parameters", figures.params, "", ""),
        **(bytes if figures.precision != "f32" else {}),
        "macs": ("MACs", figures.macs, "", count_text(figures.macs)),
        "graph": ("graph size", figures.graph_bytes, " B", size_text(figures.graph_bytes)),
        "latency": ("latency", figures.latency, "", "convolutions"),
        "state": ("state", figures.state_bytes, " B", size_text(figures.state_bytes)),
        "peak": ("peak activations", figures.peak_bytes, " B", size_text(figures.peak_bytes)),
    }
    for key, (name, value, unit, short) in rows.items():
        known = [c for c in compared if c.figure.name == key]
        known = [c for c in known if c.figure.kind == "published"] or known
        texts, offs = [described(c.figure) for c in known], [f"{c.off:+.1%}" for c in known]
        beside = ("\n".join(texts), "\n".join(offs)) if compared else ()
        table.add_row(name, f"{value:,}{unit}", short, *beside)
    return table


def described(figure: Published) -> str:
    """A figure with the spec's reference figures."""
    about = figure.title.removeprefix("published").strip(" ,")
    return f"{figure.text} ({about})" if about else figure.text


def outputs(figures: Cost) -> Table:
    """Costs up to each output."""
    table = Table(title="up to and including each output", title_justify="left")
    for column in ("output", "MACs", "parameters", "graph size", "latency"):
        table.add_column(column, justify="left" if column == "output" else "right")
    for output in figures.outputs:
        row = (f"{output.macs:,}", f"{output.params:,}", size_text(output.graph_bytes), str(output.latency))
        table.add_row(output.label, *row)
    return table
