"""`itc diff`: what two networks, or two settings of one, differ in: costs, parameters and structure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from itc.analysis.cost import Cost
from itc.analysis.difference import Change, Difference
from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables, say
from itc.cli.terminal import say_lines, styled
from itc.units import size_text

Other = Annotated[Path | None, typer.Argument(help="The second spec; the first unless given.", show_default=False)]
SetB = Annotated[
    list[str] | None, typer.Option("--set-b", metavar="NAME=VALUE", help="As --set, for the second network alone.")
]
NetworkB = Annotated[
    str | None, typer.Option("--network-b", metavar="NAME", help="As --network, for the second network alone.")
]
MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "same": (" ", "")}
#: A row of these holds the rows after it.
HOLDERS = ("loop", "when", "emit")


def diff(
    spec: options.Spec,
    other: Other = None,
    set_: options.Set = None,
    network: options.NetworkName = None,
    set_b: SetB = None,
    network_b: NetworkB = None,
    as_json: options.Json = False,
) -> None:
    """Compare two networks; --set and --network are for both, --set-b and --network-b for the second alone.

    The status is 0 where they are the same, and 1 where they differ or one of them has errors.
    """
    with reporting(as_json):
        first = options.network(spec, network, set_)
        second = options.network(other or spec, network_b or network, [*(set_ or []), *(set_b or [])])
        found = first.difference(second)
        costs = found.costs
    if as_json:
        print_json(found.json())
    else:
        _show(found, costs)
    if not found.same:
        raise typer.Exit(1)


def _show(found: Difference, costs: tuple[Cost, Cost]) -> None:
    if found.same:
        names = f"{found.a.name}: both" if found.a.name == found.b.name else f"{found.a.name} and {found.b.name}"
        say(f"{names} are the same")
        return
    print_tables(_costs(*costs))
    for title, lines, kinds in (
        ("parameters", _params(found), (_kind(a, b) for _, a, b in found.params)),
        ("structure", _structure(found), (change.kind for change in found.changes)),
    ):
        counts = Counter(kinds)
        said = ", ".join(f"{counts[kind]} {kind}" for kind in MARKS if counts[kind]) or "the same"
        say()
        say(f"{title}: {said}")
        say_lines(*lines)


def _costs(a: Cost, b: Cost) -> Table:
    """The totals of both, and how much more the second has."""
    alike = a.net == b.net
    names = ("a", "b") if alike else (a.net, b.net)
    title = f"{a.net}, a and b" if alike else f"{a.net} and {b.net}"
    table = Table(title=f"{title}: cost of one image", title_justify="left")
    for column in ("figure", *names, "difference", ""):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, first, second, size in (
        ("parameters", a.params, b.params, False),
        ("MACs", a.macs, b.macs, False),
        ("graph size", a.graph_bytes, b.graph_bytes, True),
        ("latency", a.latency, b.latency, False),
        ("state", a.state_bytes, b.state_bytes, True),
        ("peak activations", a.peak_bytes, b.peak_bytes, True),
    ):
        show = size_text if size else "{:,}".format
        more = second - first
        share = f"{more / first:+.1%}" if first and more else ""
        table.add_row(name, show(first), show(second), f"{'+' if more > 0 else ''}{show(more)}" if more else "", share)
    return table


def _kind(a: str, b: str) -> str:
    return "changed" if a and b else "removed" if a else "added"


def _params(found: Difference) -> Iterator[Text]:
    for key, *texts in found.params:
        types, rest = zip(*(text.split(" {") if text else ("", "") for text in texts), strict=True)
        a, b = texts if all(texts) and rest[0] != rest[1] else types  # role and init where they are the difference
        yield _line(_kind(a, b), 0, key, f"{a} -> {b}" if a and b else a or b)


def _structure(found: Difference) -> Iterator[Text]:
    """A line for each change, below the loops and branches that it is in."""
    shown: tuple[str, ...] = ()
    for change in found.changes:
        row = change.row
        for depth, holder in enumerate(row.inside):
            if shown[: depth + 1] != row.inside[: depth + 1]:
                yield _line("same", depth, holder, "")
        yield _line(change.kind, len(row.inside), row.label, "; ".join(_facts(change)))
        shown = (*row.inside, row.label) if row.what in HOLDERS else row.inside


def _facts(change: Change) -> Iterable[str]:
    if change.kind != "changed":
        facts = ((name, value) for name, value in change.row.facts.items() if name not in change.row.usual)
        return (value if name == "type" else f"{name} {value}" for name, value in facts)
    return (f"{name} {a or 'none'} -> {b or 'none'}" for name, (a, b) in change.facts.items())


def _line(kind: str, depth: int, what: str, facts: str) -> Text:
    mark, colour = MARKS[kind]
    return styled((f"{mark} {'  ' * depth}", colour), (what, "bold"), f"  {facts}" if facts else "")
