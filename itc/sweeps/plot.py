"""Plots a sweep: its points over two quantities, the Pareto front, and the selected point."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from itc.diagnostics import fail
from itc.files import replacing
from itc.sweeps.expressions import Goal
from itc.sweeps.points import Point, Sweep, setting_text
from itc.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".html")
#: Names of figures on axes, and their units.
NAMES = {
    "params": ("parameters", ""),
    "macs": ("MACs of one image", ""),
    "graph": ("graph size", "B"),
    "latency": ("latency in convolutions", None),
    "state": ("state", "B"),
    "peak": ("peak activations", "B"),
}
#: Characters of a title or a label.
MAX_DRAWN = 90
BLUE, ORANGE, GREY = "#1f5fa8", "#d1570a", "#9a9a9a"


def plot(sweep: Sweep, path: Path) -> None:
    """Writes a .png, .svg or .html. Raises CompileError: another ending (E0641), Matplotlib missing (E0640)."""
    check(path)
    from matplotlib import rc_context  # noqa: PLC0415

    style = rc_context({"svg.hashsalt": "itc", "svg.fonttype": "none", "font.size": 11, "text.parse_math": False})
    with replacing(path) as beside, style, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # letters that the font lacks
        figure = _figure(sweep)
        if path.suffix == ".html":
            beside.write_text(_page(figure, sweep), encoding="utf-8")
        else:
            figure.savefig(beside, format=path.suffix[1:], dpi=150, metadata=_undated(path.suffix))


def check(path: Path) -> None:
    """Raises CompileError if a plot cannot be written, before the sweep is computed."""
    if path.suffix not in FORMATS:
        raise fail(
            "E0641", f"the suffix of a plot must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not that of {path}"
        )
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError:
        help = "install it: `pip install 'itc-compiler[plot]'`"
        raise fail("E0640", "plots need Matplotlib, which is not installed", help=help) from None


def _figure(sweep: Sweep) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(7.5, 5), layout="constrained")
    _draw(figure.add_subplot(), sweep)
    return figure


def _draw(axes: Axes, sweep: Sweep) -> None:
    goals, selected = sweep.request.front, sweep.selected
    scales = [_scale(goal, [point for point in sweep.points if point.cost]) for goal in goals]

    def coordinates(points: Iterable[Point]) -> tuple[list[float], list[float]]:
        (x, (across, _)), (y, (up, _)) = zip(goals, scales, strict=True)
        values = [point.values for point in points]
        return [float(x.quantity.number(v)) / across for v in values], [
            float(y.quantity.number(v)) / up for v in values
        ]

    front = sweep.front
    outside = [point for point in sweep.points if point.cost and not point.holds]
    inside = [point for point in sweep.points if point.holds and not any(point is other for other in front)]
    if outside:
        axes.scatter(*coordinates(outside), s=28, facecolors="none", edgecolors=GREY, label="condition not met")
    if inside:
        axes.scatter(*coordinates(inside), s=28, color=BLUE, label="condition met" if sweep.request.where else "points")
    if front:
        axes.plot(*coordinates(front), "o-", color=ORANGE, markersize=6, linewidth=1.5, label="Pareto front")
    if selected:
        (x,), (y,) = coordinates([selected])
        axes.plot(
            [x],
            [y],
            "*",
            color="black",
            markersize=15,
            zorder=5,
            label=_drawn(f"selected: {_settings(sweep, selected)}"),
        )
    across, up = (_drawn(_label(goal, unit)) for goal, (_, unit) in zip(goals, scales, strict=True))
    axes.set(xlabel=across, ylabel=up, title=_drawn(_title(sweep)))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)


def _scale(goal: Goal, points: Sequence[Point]) -> tuple[float, str]:
    """A divisor for short numbers of a quantity, and the resulting unit."""
    unit = NAMES.get(goal.quantity.text.strip(), ("", None))[1]
    if unit is None:
        return 1.0, ""
    base, prefixes = (1024, ("", "Ki", "Mi", "Gi", "Ti")) if unit else (1000, ("", "k", "M", "G", "T"))
    largest = max((abs(float(goal.quantity.number(point.values))) for point in points), default=0.0)
    power = max((k for k in range(len(prefixes)) if largest >= base**k), default=0)
    return float(base**power), prefixes[power] + unit


def _label(goal: Goal, unit: str) -> str:
    text = goal.quantity.text.strip()
    name = NAMES.get(text, (text, ""))[0]
    better = "more is better" if goal.large else "less is better"
    return f"{name}, {unit} ({better})" if unit else f"{name} ({better})"


def _drawn(text: str) -> str:
    """The printable text of a label, of limited length."""
    shown = visible(text)
    return shown if len(shown) <= MAX_DRAWN else f"{shown[: MAX_DRAWN - 3]}..."


def _title(sweep: Sweep) -> str:
    name = next(point.cost.net for point in sweep.points if point.cost)
    fixed = [f"{key}={setting_text(v[0])}" for key, v in sweep.request.axes.items() if len(v) == 1]
    where = " and ".join(condition.text for condition in sweep.request.where)
    return f"{', '.join([name, *fixed])}{f'   where {where}' if where else ''}"


def _settings(sweep: Sweep, point: Point) -> str:
    varied = [name for name, values in sweep.request.axes.items() if len(values) > 1] or list(sweep.request.axes)
    return ", ".join(f"{name}={setting_text(point.settings[name])}" for name in varied)


def _page(figure: Figure, sweep: Sweep) -> str:
    """A self-contained page with the plot."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata=_undated(".svg"))
    title = escape(visible(_title(sweep)))
    svg = out.getvalue()[out.getvalue().index("<svg") :]
    head = f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
    return f"{head}<body>\n{svg}</body>\n</html>\n"


def _undated(suffix: str) -> dict[str, str | None]:
    return {"Date": None} if suffix == ".svg" else {"Software": None}
