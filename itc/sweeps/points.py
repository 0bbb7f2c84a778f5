"""A network at every point of a grid of settings: what each costs, which is chosen, and which form the Pareto front."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from itc.analysis.cost import Cost
from itc.diagnostics import CompileError, Diagnostic, fail
from itc.driver import Spec, read
from itc.figures import MEASURES
from itc.sweeps.axes import Axes, bounded, grid
from itc.sweeps.expressions import Expression, Goal, Values, parse, parse_goals
from itc.visible import visible

#: Names of figures in expressions, and what a cost calls them.
FIGURES = {**MEASURES, "peak": "peak_bytes"}
Settings = Mapping[str, object]
#: Processes are worth starting where the points left take longer than this, in seconds.
WORTH = 3.0
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Point:
    """One setting: what the network then costs, or the faults for which it is refused.

    `holds` says whether every condition does; of a point that is refused none does.
    """

    settings: Settings
    cost: Cost | None
    faults: tuple[Diagnostic, ...] = ()
    holds: bool = False

    @property
    def values(self) -> Values:
        """What names in an expression stand for here: figures, and settings that no figure is called like."""
        assert self.cost
        settings = {name: setting_value(value) for name, value in self.settings.items()}
        return settings | {name: Fraction(getattr(self.cost, key)) for name, key in FIGURES.items()}

    def json(self) -> dict[str, Any]:
        """The point as JSON-ready values; the keys are stable."""
        cost = {key: getattr(self.cost, key) for key in FIGURES.values()} if self.cost else None
        errors = [fault.json() for fault in self.faults]
        return {"settings": dict(self.settings), "cost": cost, "holds": self.holds, "errors": errors}


@dataclass(frozen=True)
class Request:
    """What a sweep was asked for; `axes` in the order in which they are gone through, the last one first."""

    path: Path
    network: str | None
    axes: Axes
    where: tuple[Expression, ...] = ()
    objective: Goal | None = None
    goals: tuple[Goal, Goal] | None = None

    @property
    def count(self) -> int:
        """Number of points."""
        return prod(len(values) for values in self.axes.values())

    @property
    def front(self) -> tuple[Goal, Goal]:
        """The two goals of the Pareto front: MACs and the objective, or MACs and parameters."""
        if self.goals:
            return self.goals
        macs, params = (Goal(parse(name, "--front")) for name in ("macs", "params"))
        other = self.objective
        return (macs, other if other and other.quantity.text.strip() != "macs" else params)

    def measured(self, processes: int = 1) -> Iterator[Point]:
        """The points one after the other, in the order of the grid, whatever number of processes works on them."""
        settings = list(grid(self.axes))
        found = _measured(self.path, [(self.network, setting) for setting in settings], processes)
        for setting, (cost, faults) in zip(settings, found, strict=True):
            point = Point(setting, cost, faults)
            holds = cost is not None and all(condition.truth(point.values) for condition in self.where)
            yield Point(setting, cost, faults, holds)

    def result(self, points: Iterable[Point]) -> Sweep:
        """What is chosen among measured points. Raises CompileError where all are refused: what the first is for."""
        found = tuple(points)
        if all(point.faults for point in found):
            raise CompileError(found[0].faults)
        return Sweep(self, found)


@dataclass(frozen=True)
class Sweep:
    """Every point of a sweep, in the order of the grid."""

    request: Request
    points: tuple[Point, ...]

    @property
    def selected(self) -> Point | None:
        """The point that is best by the objective among those that hold, the first if several are; None without one."""
        goal, held = self.request.objective, [point for point in self.points if point.holds]
        if goal is None or not held:
            return None
        return min(held, key=lambda point: goal.cost(point.values))

    @property
    def front(self) -> tuple[Point, ...]:
        """The Pareto front: points that hold and than which no other is better in one goal and as good in the other."""
        one, other = self.request.front
        held = [point for point in self.points if point.holds]
        costs = {id(point): (one.cost(point.values), other.cost(point.values)) for point in held}
        front: list[Point] = []
        for point in sorted(held, key=lambda point: costs[id(point)]):
            if not front or costs[id(point)][1] < costs[id(front[-1])][1] or costs[id(point)] == costs[id(front[-1])]:
                front.append(point)
        return tuple(front)

    @property
    def refused(self) -> tuple[Point, ...]:
        """Points whose settings the spec refuses."""
        return tuple(point for point in self.points if point.faults)

    def json(self) -> dict[str, Any]:
        """The sweep as JSON-ready values; the keys are stable."""
        selected, front = self.selected, {id(point) for point in self.front}
        marked = [{**point.json(), "front": id(point) in front, "selected": point is selected} for point in self.points]
        return {
            "network": next((point.cost.net for point in self.points if point.cost), None),
            "where": [condition.text for condition in self.request.where],
            "objective": str(self.request.objective) if self.request.objective else None,
            "front": [str(goal) for goal in self.request.front],
            "selected": selected.json() if selected else None,
            "points": marked,
        }

    def csv(self) -> str:
        """The points as comma-separated values with a line of names; refused ones have no figures but an error."""
        selected, front = self.selected, {id(point) for point in self.front}
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow([*self.request.axes, *FIGURES.values(), "holds", "front", "selected", "error"])
        for point in self.points:
            settings = [_cell(visible(setting_text(value))) for value in point.settings.values()]
            figures = [getattr(point.cost, key) if point.cost else "" for key in FIGURES.values()]
            marks = [int(mark) for mark in (point.holds, id(point) in front, point is selected)]
            error = visible(f"{point.faults[0].code}: {point.faults[0].message}") if point.faults else ""
            rows.writerow([*settings, *figures, *marks, error])
        return out.getvalue()


def _cell(text: str) -> str:
    """A text of a cell, with a quote before it where a spreadsheet would compute it."""
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    return text


def request(
    path: str | Path,
    axes: Axes,
    network: str | None = None,
    where: Iterable[str] = (),
    maximize: str = "",
    minimize: str = "",
    front: str = "",
) -> Request:
    """A sweep to be made. Raises CompileError: expressions that are not understood (E0181), unknown names in them
    (E0280), a name that is both a figure and a setting (E0281), two objectives (E0282)."""
    conditions = tuple(parse(text, "--where") for text in where)
    if maximize and minimize:
        raise fail("E0282", "one quantity is made large or small, not two", help="give `--max` or `--min`")
    objective = Goal(parse(maximize, "--max"), True) if maximize else None
    objective = Goal(parse(minimize, "--min")) if minimize else objective
    goals = parse_goals(front, "--front") if front else None
    quantities = [goal.quantity for goal in (objective, *(goals or ())) if goal]
    for expression in (*conditions, *quantities):
        expression.check([*FIGURES, *(name for name in axes if name not in FIGURES)])
        for name, span in expression.names:
            if name in FIGURES and name in axes:
                message = f"`{name}` is a figure, and a setting of this sweep too"
                raise fail("E0281", message, span, "which of them?", "give the parameter of the network another name")
    return Request(Path(path), network, axes, conditions, objective, goals)


def sweep(
    path: str | Path,
    settings: Mapping[str, object],
    network: str | None = None,
    *,
    where: str | Sequence[str] = (),
    maximize: str = "",
    minimize: str = "",
    front: str = "",
    processes: int = 1,
) -> Sweep:
    """The network of a spec at every point of a grid of settings, and the point that is best of those that hold.

    `settings` has for each name a value, or a list, tuple or range of values to go through (a value that is a list
    itself stands in one: `{"exits": [[1, 2]]}`). `where`, `maximize`, `minimize` and `front` are expressions over the
    settings and `params`, `macs`, `graph`, `latency`, `state`, `peak`. With more than one of `processes` the calling
    script needs the usual `if __name__ == "__main__"`. Raises CompileError for expressions that are not understood,
    and where every point is refused.
    """
    axes = _axes(settings)
    conditions = [where] if isinstance(where, str) and where else where or ()
    _texts(where=conditions, maximize=[maximize], minimize=[minimize], front=[front])
    asked = request(path, bounded(axes), network, conditions, maximize, minimize, front)
    return asked.result(asked.measured(processes))


def _axes(settings: Mapping[str, object]) -> dict[str, Sequence[object]]:
    """The values of each setting, NumPy's numbers as Python's; raises TypeError for what is no mapping."""
    if not isinstance(settings, Mapping):
        raise TypeError(f"`settings` is a mapping from names to values, not {type(settings).__name__}")
    axes: dict[str, Sequence[object]] = {}
    for name, value in settings.items():
        values = value if isinstance(value, list | tuple | range) else [value]
        if not isinstance(values, range):
            values = [item.item() if isinstance(item, np.generic) else item for item in values]
        axes[name] = values
    return axes


def _texts(**arguments: Iterable[object]) -> None:
    """Raises TypeError for arguments that are not strings, or lists of these."""
    for name, texts in arguments.items():
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"`{name}` is an expression as a string, not {texts!r:.60}")


def setting_value(value: object) -> Fraction | str | bool:
    """A setting as an expression sees it: numbers exactly as they are written, everything else but truths as text."""
    if isinstance(value, bool):
        return value
    return Fraction(repr(value)) if isinstance(value, int | float) else setting_text(value)


def setting_text(value: object) -> str:
    """A setting as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


Job = tuple[str | None, Settings]
Measured = tuple[Cost | None, tuple[Diagnostic, ...]]


def _measure(spec: Spec, job: Job) -> Measured:
    """What a network costs under settings, or why it is refused."""
    network, settings = job
    try:
        return spec.network(network, **settings).cost(), ()
    except CompileError as error:
        return None, error.diagnostics


def _measured(path: Path, jobs: Sequence[Job], processes: int) -> Iterator[Measured]:
    """All jobs in order: some here, and the others in processes where that saves time."""
    spec, begun = read(path), time.monotonic()
    yield from (_measure(spec, job) for job in jobs[:AT_ONCE])
    left = jobs[AT_ONCE:]
    expected = (time.monotonic() - begun) / AT_ONCE * len(left)
    shared = _shared_out(path, left, processes) if processes > 1 and expected > WORTH else iter(())
    done = 0
    for done, found in enumerate(shared, 1):  # noqa: B007 -- it is used behind the loop
        yield found
    yield from (_measure(spec, job) for job in left[done:])


def _shared_out(path: Path, jobs: Sequence[Job], processes: int) -> Iterator[Measured]:
    """The jobs in order, from processes of their own; none where these cannot be started.

    Raises CompileError (E0393) where one that has worked is gone.
    """
    pool = ProcessPoolExecutor(min(processes, len(jobs)), get_context("spawn"), _open, (path,))
    done = 0
    try:
        with _interrupts_held():
            results = pool.map(_measure_here, jobs, chunksize=AT_ONCE)
        for done, found in enumerate(results, 1):  # noqa: B007 -- it is used behind the loop
            yield found
    except (BrokenProcessPool, OSError):
        if done:
            help = "memory may have run out: take fewer points, or from Python `itc.sweep(..., processes=1)`"
            message = f"a process of the sweep was ended from outside, after {done:,} of {len(jobs):,} points"
            raise fail("E0393", message, help=help) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes that are started inside never see Ctrl-C, which comes here behind the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


#: The spec of a process that measures points.
_opened: list[Spec] = []


def _open(path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it says that it was interrupted
    _opened[:] = [read(path)]


def _measure_here(job: Job) -> Measured:
    return _measure(_opened[0], job)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
