"""`itc sweep`: what a network costs at many settings, and which of them is best under a condition."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import hushed, print_json, print_tables, say
from itc.cli.progress import tracked
from itc.cli.terminal import styled
from itc.driver import read
from itc.files import writable, write_text
from itc.sweeps import Point, Sweep, cores, parse_axes, plot, request, setting_text
from itc.sweeps.plot import check
from itc.tables import NONE
from itc.units import size_text


def sweep(
    spec: options.Spec,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUES", help="f=16..64, f=16..64..4, n=1,2,4, refine.share=all,none."),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="CONDITION", help="For example 'macs < 2.2e9'.")
    ] = None,
    maximize: Annotated[str, typer.Option("--max", metavar="QUANTITY", help="Choose where it is largest.")] = "",
    minimize: Annotated[str, typer.Option("--min", metavar="QUANTITY", help="Choose where it is smallest.")] = "",
    front: Annotated[
        str, typer.Option("--front", metavar="GOALS", help="The Pareto front's two goals, as 'min macs, max f'.")
    ] = "",
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the points to this file.")] = None,
    plot_: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the front: a .png, .svg or .html.")
    ] = None,
    network: options.NetworkName = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Cost a network at every combination of settings, and choose the best that meets a condition.

    Conditions and quantities are over settings and params, macs, graph, latency, state and peak.
    """
    with reporting(as_json), hushed(quiet):
        asked = request(spec, parse_axes(set_ or []), network, where or (), maximize, minimize, front)
        check_files(csv, plot_, read(spec).files if csv or plot_ else ())
        found = asked.result(tracked(asked.measured(cores()), asked.count, "points"))
        if csv:
            write_text(csv, found.csv())
        if plot_:
            plot(found, plot_)
        if as_json:
            print_json(found.json())
            return
        print_tables(table(found))
        for line in (*summary(found), *written(csv, plot_)):
            say(line)


def written(csv: Path | None, plot: Path | None) -> list[str]:
    """Names the files that were written, and what they hold."""
    files = ((csv, "the points"), (plot, "the front's plot"))
    return [f"wrote {file}: {content}" for file, content in files if file]


def check_files(csv: Path | None, plot: Path | None, inputs: Iterable[Path]) -> None:
    """Reports faults of the output files before the points are computed."""
    if csv and plot and csv.resolve() == plot.resolve():
        raise typer.BadParameter(f"{plot} is the file of --csv too", param_hint="'--plot'")
    if plot:
        check(plot)
    for file in filter(None, (csv, plot)):
        writable(file, inputs)


def table(found: Sweep) -> Table:
    """A row for each point, the selected one marked; refused ones with what is wrong."""
    axes, where = found.request.axes, found.request.where
    fixed = "".join(f", {name}={setting_text(values[0])}" for name, values in axes.items() if len(values) == 1)
    name = next(point.cost.net for point in found.points if point.cost)
    out = Table(title=f"{name}{fixed}", title_justify="left")
    varied = [name for name, values in axes.items() if len(values) > 1]
    for column in (*varied, "parameters", "MACs", "graph size", "latency"):
        out.add_column(column, justify="right")
    out.add_column("", overflow="fold")
    selected, front = found.selected, {id(point) for point in found.front}
    for point in found.points:
        settings = [setting_text(point.settings[name]) for name in varied]
        mark = Text("selected") if point is selected else Text("front" if id(point) in front else "")
        style = "bold green" if point is selected else "dim" if where and not point.holds else ""
        out.add_row(*settings, *_figures(point, mark), style=style)
    return out


def _figures(point: Point, mark: Text) -> tuple[str | Text, ...]:
    if point.cost is None:
        return (NONE, NONE, NONE, NONE, styled((f"{point.faults[0].code}: {point.faults[0].message}", "red")))
    cost = point.cost
    return f"{cost.params:,}", f"{cost.macs:,}", size_text(cost.graph_bytes), str(cost.latency), mark


def summary(found: Sweep) -> list[str]:
    """The selected point, the rule of selection, and the number of points."""
    asked, selected, held = found.request, found.selected, sum(point.holds for point in found.points)
    where = " and ".join(condition.text for condition in asked.where)
    points = f"{len(found.points)} point{'s' if len(found.points) > 1 else ''}"
    counts = [points, f"{held} with {where}" if where else ""]
    counts.append(f"{len(found.refused)} refused" if found.refused else "")
    lines = [", ".join(filter(None, counts))]
    if len(found.points) > 1:
        goals = " and ".join(map(str, asked.front))
        lines.append(f"front of {goals}: {len(found.front)} of {len(found.points)}")
    if selected:
        settings = ", ".join(f"{name}={setting_text(value)}" for name, value in selected.settings.items())
        lines.append(f"{asked.objective}: {settings}")
    elif asked.objective:
        lines.append(f"{asked.objective}: no point meets the condition")
    return lines
