"""What is to become of each loop of a net that is written out in whole or in part, and which loops have to stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from itc.ir.net import Loop, Net, When, walk
from itc.ir.types import SeriesType
from itc.ir.uses import reads


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a loop: `first` iterations are written out, then a loop of `factor` a turn, then the rest.

    At least `last` iterations are left for the rest; of `stop`, those behind it do not run at all.
    """

    first: int
    factor: int = 1
    last: int = 0
    stop: int = 0

    def split(self, count: int) -> tuple[int, int, int]:
        """Iterations written out in front, turns of the new loop, and the last iteration that runs."""
        end = min(count, self.stop or count)
        first = min(self.first, end)
        turns = max(0, end - first - self.last) // self.factor
        return first, turns, end


Planner = Callable[[Loop], Plan | None]


def planned(net: Net, planner: Planner) -> dict[str, Plan]:
    """The plans that can be kept, by loop variable: all loops that a series links are written out whole, or none."""
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
    """Loops and series that stand or fall together, by a representative."""

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
