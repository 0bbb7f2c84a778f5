"""`itc zoo`: what the example networks cost, beside the figures that were published or counted for them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from itc.cli import options
from itc.cli.errors import report, reporting
from itc.cli.printing import print_json, print_tables, say
from itc.cli.progress import tracked
from itc.cli.terminal import styled
from itc.figures import Compared
from itc.units import size_text
from itc.zoo import Entry, entries, specs

#: The columns, by the names of the figures.
COLUMNS = {"params": "parameters", "macs": "MACs", "graph": "graph size", "latency": "latency"}
LEGEND = "= exact; ≈ rounds to the figure. MACs of one image, of all iterations; latency in convolutions."


def zoo(
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WHICH]...", help="Specs, folders of specs, or examples or their networks by name."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Parameters, MACs, graph size and latency of all examples, beside published and counted figures.

    The status is 1 if a network does not compile or misses a figure that was counted from the same layers.
    """
    with reporting(as_json):
        asked = specs(which or ())
    groups = tracked((list(entries(*spec)) for spec in asked), len(asked), "counting specs")
    found = list(chain.from_iterable(groups))
    failed = [entry for entry in found if entry.failed]
    if as_json:
        print_json({"networks": [entry.json() for entry in found], "failed": [entry.title for entry in failed]})
    else:
        print_tables(table(found))
        tell(failed)
    sys.exit(1 if failed else 0)


def tell(failed: Sequence[Entry]) -> None:
    """Prints the diagnostics of the networks that failed on standard error."""
    for entry in failed:
        if entry.faults:
            report(entry.faults)
        for missed in entry.missed:
            figure = missed.figure
            text = f"{entry.network}: {figure.name} are {missed.found:,}, not {figure.text} ({figure.title})"
            say(text, error=True)
    if failed:
        names = ", ".join(entry.title for entry in failed)
        say(f"failed: {names}", error=True)


def table(found: Iterable[Entry]) -> Table:
    """A row for what each network costs, and below it one for each source of figures, with the differences."""
    out = Table(title="the zoo", title_justify="left", caption=LEGEND, caption_justify="left")
    out.add_column("network", overflow="fold")
    for title in COLUMNS.values():
        out.add_column(title, justify="right")
    for entry in found:
        if entry.cost is None:
            out.add_row(styled((entry.title, "bold")), styled((entry.faults[0].code, "bold red")))
            continue
        cost = entry.cost
        counted = (f"{cost.params:,}", f"{cost.macs:,}", size_text(cost.graph_bytes), str(cost.latency))
        out.add_row(styled((entry.network, "bold")), *counted)
        for title in dict.fromkeys(c.figure.title for c in entry.compared):
            given = [c for c in entry.compared if c.figure.title == title]
            out.add_row(styled((f"  {title}", "dim")), *(_cell(name, given) for name in COLUMNS))
    return out


def _cell(name: str, compared: Iterable[Compared]) -> Text:
    """What one source says of a figure, and how far off what is counted is."""
    wrong = {"counted": "bold red"}
    lines = [
        styled(f"{one.figure.text} ", (one.text, "green" if one.met else wrong.get(one.figure.kind, "yellow")))
        for one in compared
        if one.figure.name == name
    ]
    return Text("\n").join(lines)
