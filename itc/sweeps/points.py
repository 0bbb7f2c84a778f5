"""Measures the costs of a network at all points of a grid; selects a point and computes the Pareto front."""

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

#: Names of figures in expressions, and the corresponding fields of Cost.
FIGURES = {**MEASURES, "peak": "peak_bytes"}
Settings = Mapping[str, object]
#: Minimum remaining time, in seconds, for which processes are started.
WORTH = 3.0
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the grid: the costs of the network, or the faults of invalid settings.

    `holds` is true if all conditions are; they are false for invalid settings.
    """

    settings: Settings
    cost: Cost | None
    faults: tuple[Diagnostic, ...] = ()
    holds: bool = False

    @property
    def values(self) -> Values:
        """The values of names in expressions: figures, and settings without the name of a figure."""
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
    """The request of a sweep; the last of `axes` changes first."""

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
        """The points in the order of the grid, for any number of processes."""
        settings = list(grid(self.axes))
        found = _measured(self.path, [(self.network, setting) for setting in settings], processes)
        for setting, (cost, faults) in zip(settings, found, strict=True):
            point = Point(setting, cost, faults)
            holds = cost is not None and all(condition.truth(point.values) for condition in self.where)
            yield Point(setting, cost, faults, holds)

    def result(self, points: Iterable[Point]) -> Sweep:
        """The sweep of measured points. Raises CompileError with the faults of the first if all are invalid."""
        found = tuple(points)
        if all(point.faults for point in found):
            raise CompileError(found[0].faults)
        return Sweep(self, found)


@dataclass(frozen=True)
class Sweep:
    """The measured points of a sweep, in the order of the grid."""

    request: Request
    points: tuple[Point, ...]

    @property
    def selected(self) -> Point | None:
        """The first best point by the objective among those that meet the conditions; None without one."""
        goal, held = self.request.objective, [point for point in self.points if point.holds]
        if goal is None or not held:
            return None
        return min(held, key=lambda point: goal.cost(point.values))

    @property
    def front(self) -> tuple[Point, ...]:
        """The Pareto front: points that meet the conditions and are not dominated by another one."""
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
        """Points with invalid settings."""
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
        """The points as comma-separated values with a header; invalid ones have an error instead of figures."""
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
    """The text of a cell, quoted if a spreadsheet would evaluate it."""
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
    """The request of a sweep. Raises CompileError for invalid expressions (E0181), unknown names in them
    (E0280), a name that is both a figure and a setting (E0281), two objectives (E0282)."""
    conditions = tuple(parse(text, "--where") for text in where)
    if maximize and minimize:
        raise fail("E0282", "a sweep has one objective, not two", help="give `--max` or `--min`")
    objective = Goal(parse(maximize, "--max"), True) if maximize else None
    objective = Goal(parse(minimize, "--min")) if minimize else objective
    goals = parse_goals(front, "--front") if front else None
    quantities = [goal.quantity for goal in (objective, *(goals or ())) if goal]
    for expression in (*conditions, *quantities):
        expression.check([*FIGURES, *(name for name in axes if name not in FIGURES)])
        for name, span in expression.names:
            if name in FIGURES and name in axes:
                message = f"`{name}` is both a figure and a setting of this sweep"
                raise fail("E0281", message, span, "ambiguous", "rename the parameter of the network")
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
    """Measures the network of a spec at all points of a grid, and selects the best point that meets the conditions.

    `settings` has for each name a value, or a list, tuple or range of values (nest a list that is a value itself:
    `{"exits": [[1, 2]]}`). `where`, `maximize`, `minimize` and `front` are expressions over the settings and `params`,
    `macs`, `graph`, `latency`, `state`, `peak`. With several `processes`, the calling script needs the usual
    `if __name__ == "__main__"`. Raises CompileError for invalid expressions, and if all points are invalid.
    """
    axes = _axes(settings)
    conditions = [where] if isinstance(where, str) and where else where or ()
    _texts(where=conditions, maximize=[maximize], minimize=[minimize], front=[front])
    asked = request(path, bounded(axes), network, conditions, maximize, minimize, front)
    return asked.result(asked.measured(processes))


def _axes(settings: Mapping[str, object]) -> dict[str, Sequence[object]]:
    """The values of each setting, with NumPy numbers as Python numbers; raises TypeError unless it is a mapping."""
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
    """The value of a setting in expressions: numbers exactly as written, booleans, everything else as text."""
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
    """The costs of a network under settings, or its faults."""
    network, settings = job
    try:
        return spec.network(network, **settings).cost(), ()
    except CompileError as error:
        return None, error.diagnostics


def _measured(path: Path, jobs: Sequence[Job], processes: int) -> Iterator[Measured]:
    """The results of all jobs in order, in this process and, if it saves time, in others."""
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
    """The results of jobs in order from processes; none if they cannot be started.

    Raises CompileError (E0393) if a process was terminated.
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
            message = f"a process of the sweep was terminated, after {done:,} of {len(jobs):,} points"
            raise fail("E0393", message, help=help) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started in the context ignore Ctrl-C, which this process handles after it."""
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process reports the interruption
    _opened[:] = [read(path)]


def _measure_here(job: Job) -> Measured:
    return _measure(_opened[0], job)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
