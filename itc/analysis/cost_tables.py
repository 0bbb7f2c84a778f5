"""The costs of a net as tables: totals beside published figures, and costs up to each output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from itc.tables import NONE, Column, Table
from itc.units import count_text, size_text

if TYPE_CHECKING:
    from itc.analysis.cost import Cost, OutputCost
    from itc.figures import Compared, Published


def totals(figures: Cost, compared: Sequence[Compared] = ()) -> Table:
    """The totals, with the published figures beside each where the spec has one, or else those that were counted."""
    columns = (Column("figure"), Column("itc", right=True), Column())
    beside = (Column("published", right=True), Column("off by", right=True)) if compared else ()
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
    cells = []
    for key, (name, value, unit, short) in rows.items():
        known = [c for c in compared if c.figure.name == key]
        known = [c for c in known if c.figure.kind == "published"] or known
        texts, offs = [described(c.figure) for c in known], [f"{c.off:+.1%}" for c in known]
        given = ("\n".join(texts) or NONE, "\n".join(offs) or NONE) if compared else ()
        cells.append((name, *applying(value, f"{value:,}{unit}", short), *given))
    return Table(f"{figures.net}: cost of one image", (*columns, *beside), tuple(cells))


def applying(value: int, text: str, short: str) -> tuple[str, str]:
    """The cells of a figure; one that does not apply, as the state of a network without loops, is a dash."""
    return (text, short) if value else (NONE, "")


def described(figure: Published) -> str:
    """A figure with the spec's reference figures."""
    about = figure.title.removeprefix("published").strip(" ,")
    return f"{figure.text} ({about})" if about else figure.text


def outputs(figures: Cost) -> Table:
    """Costs up to each output."""
    titles = ("MACs", "parameters", "graph size", "latency")
    rows = tuple((output.label, *_cells(output)) for output in figures.outputs)
    columns = (Column("output"), *(Column(title, right=True) for title in titles))
    return Table("up to and including each output", columns, rows)


def _cells(output: OutputCost) -> tuple[str, ...]:
    texts = (f"{output.macs:,}", f"{output.params:,}", size_text(output.graph_bytes), str(output.latency))
    values = (output.macs, output.params, output.graph_bytes, output.latency)
    return tuple(text if value else NONE for text, value in zip(texts, values, strict=True))
