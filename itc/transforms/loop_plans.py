"""Expansion plans of loops: which iterations are unrolled, and which loops must stay unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from itc.ir.net import Loop, Net, When, walk
from itc.ir.types import SeriesType
from itc.ir.uses import reads


@dataclass(frozen=True, slots=True)
class Plan:
    """The expansion of a loop: `first` unrolled iterations, a loop with `factor` clones of the body, unrolled rest.

    The rest has at least `last` iterations. Iterations after `stop`, if given, do not run.
    """

    first: int
    factor: int = 1
    last: int = 0
    stop: int = 0

    def split(self, count: int) -> tuple[int, int, int]:
        """Number of unrolled first iterations, iterations of the new loop, and the last iteration that runs."""
        end = min(count, self.stop or count)
        first = min(self.first, end)
        iterations = max(0, end - first - self.last) // self.factor
        return first, iterations, end


Planner = Callable[[Loop], Plan | None]


def planned(net: Net, planner: Planner) -> dict[str, Plan]:
    """The valid plans by loop variable: loops linked by a series are all unrolled completely, or none of them."""
    loops = [statement for statement in walk(net.body) if isinstance(statement, Loop)]
    plans = {loop.var: planner(loop) for loop in loops if loop.halt is None}
    read = {value.name for statement in walk(net.body) for value in reads(statement)}
    links = _linked(net)
    stays: set[str] = set()
    for loop in loops:
        plan = plans.get(loop.var)
        whole = plan is not None and plan.split(loop.count)[0] == loop.count
        apart = not loop.each and not any(v.name in read for _, series in loop.collected for v in series)
        if plan is None or not (whole or apart):
            stays.add(links.find(loop.var))
    return {var: plan for var, plan in plans.items() if plan is not None and links.find(var) not in stays}


class _Links:
    """Union-find of loops and series that must be expanded together."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def find(self, name: str) -> str:
        root = name
        while self._of.get(root, root) != root:
            root = self._of[root]
        while name != root:
            self._of[name], name = root, self._of.get(name, name)
        return root

    def join(self, name: str, *others: str) -> None:
        for other in others:
            self._of[self.find(other)] = self.find(name)


def _linked(net: Net) -> _Links:
    links = _Links()
    for statement in walk(net.body):
        if isinstance(statement, Loop | When):
            touched = {v.name for v in (*reads(statement), *statement.results) if isinstance(v.type, SeriesType)}
            links.join(statement.var, *(f"%{name}" for name in touched))
    return links
