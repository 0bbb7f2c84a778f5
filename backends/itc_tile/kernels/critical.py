"""Critical paths: the longest path from the inputs to each output, and how often it executes each kernel.

A path is one integer: its length, and below it a field of 64 bits for each kernel with the executions on the path. Sums
and maxima of such integers are those of the lengths, and carry the executions along. A loop is followed until two
iterations add the same to all of its carries: then every one does, until a branch changes. (What comes from outside the
loop is overtaken by then.)

Paths follow the data, or with `barriers` the layout of an image alone: a loop begins when all of its operands are
available, and an iteration when all kernels of the one before have ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from itc.analysis.depth import Segment, segments
from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When, walk
from itc.ir.uses import body_reads, data_operands
from itc_tile.kernels.kernel import Kernel

FIELD = 64


@dataclass(frozen=True)
class CriticalPath:
    """The cycles of a path to an output, and its executions of each kernel on it, by label."""

    cycles: int
    executions: Mapping[str, int]


class CriticalPaths:
    """Longest paths of a fused net for any cycles of its kernels."""

    def __init__(self, net: Net, labels: Iterable[str], *, barriers: bool = False) -> None:
        self.net = net
        self.barriers = barriers
        self.fields = {label: FIELD * position for position, label in enumerate(labels)}
        self.steps = 1  # operations that the last walk has followed

    @cached_property
    def _lowest(self) -> int:
        """The bits below the length of a path."""
        return FIELD * len(self.fields)

    def paths(self, cycles: Mapping[str, int], outputs: Iterable[str] | None = None) -> dict[str, CriticalPath]:
        """The critical path to each output, or to some of them, by label."""
        costs = {label: (int(cycles[label]) << self._lowest) + (1 << field) for label, field in self.fields.items()}
        walked = _Walk(costs, None if outputs is None else set(outputs), self.barriers)
        found = walked.outputs(self.net)
        self.steps = max(1, walked.steps)
        return {label: self._decoded(path) for label, path in found.items()}

    def lengths(self, cycles: Mapping[str, int]) -> dict[str, int]:
        """The cycles of the critical path to each output, by label."""
        return {label: path.cycles for label, path in self.paths(cycles).items()}

    def _decoded(self, path: int) -> CriticalPath:
        counts = path & ((1 << self._lowest) - 1)
        numbers = np.frombuffer(counts.to_bytes(self._lowest // 8, "little"), "<u8").tolist()
        executions = {label: number for label, number in zip(self.fields, numbers, strict=True) if number}
        return CriticalPath(path >> self._lowest, executions)


class _Walk:
    """Follows the statements of a net with the path to each value; elements of a series have paths of their own."""

    def __init__(self, costs: Mapping[str, int], wanted: set[str] | None, barriers: bool) -> None:
        self.costs = costs
        self.barriers = barriers
        self.latest = 0
        self.steps = 0
        self.wanted = wanted
        self.exits: dict[str, dict[int, str]] = {}
        self.paths: dict[str, int] = {}
        self.series: dict[str, list[int]] = {}
        self.iteration: dict[str, int] = {}

    def outputs(self, net: Net) -> dict[str, int]:
        self.paths |= {value.name: 0 for value in net.inputs}
        series = {output.value.name: output.labels for output in net.outputs}
        walked = {each.series.name for loop in walk(net.body) if isinstance(loop, Loop) for each in loop.each}
        self.exits = {name: dict(enumerate(labels)) for name, labels in series.items() if name not in walked}
        self.statements(net.body)
        found: dict[str, int] = {}
        for output in net.outputs:
            name = output.value.name
            paths = self.series[name] if name in self.series else [self.paths[name]]
            found |= zip(output.labels, paths, strict=True)
        return {label: path for label, path in found.items() if self.wanted is None or label in self.wanted}

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    taken = self.iteration[statement.var] in statement.iterations
                    paths = self.body(statement.body if taken else statement.otherwise)
                    self.paths |= zip((value.name for value in statement.results), paths, strict=True)
                case Emit():
                    pass  # followed by the enclosing loop, in the iterations that have it

    def body(self, body: Body) -> list[int]:
        self.statements(body.statements)
        return [self.paths[value.name] for value in body.yields]

    def apply(self, apply: Apply) -> None:
        self.steps += 1
        longest = max((self.paths[value.name] for value in data_operands(apply)), default=0)
        cost = self.costs.get(apply.op.label, 0) if isinstance(apply.op, Kernel) else 0
        self.paths |= {value.name: longest + cost for value in apply.results}
        self.latest = max(self.latest, longest + cost)

    def loop(self, loop: Loop) -> None:
        state = [self.paths[carry.init.name] for carry in loop.carries]
        if self.barriers:
            read = [self.paths[name] for name in body_reads(loop.body) if name in self.paths]
            state = [max([*state, *read], default=0)] * len(state)
        for _, results in loop.collected:
            self.series |= {result.name: [] for result in results}
        stops = sorted({t for emit, _ in loop.collected for t in emit.iterations})
        yields = state
        for segment in segments(loop):
            state, yields = self.segment(loop, segment, state, stops)
        self.paths |= zip((value.name for value in loop.carry_results), yields, strict=False)
        for _, results in loop.collected:
            self.paths |= {result.name: max(self.series[result.name], default=0) for result in results}

    def segment(self, loop: Loop, segment: Segment, state: list[int], stops: list[int]) -> tuple[list[int], list[int]]:
        """The carries behind iterations that take the same branches: as the next one begins, and as yielded."""
        at, before, yields = segment.first, None, state
        while at <= segment.last:
            self.latest = 0
            yields = self.step(loop, at, state)
            after = [max([self.latest, *yields])] * len(yields) if self.barriers else yields
            self.exits_of(loop, at)
            growth = {new - old for new, old in zip(after, state, strict=True)}
            state, at = after, at + 1
            steady = growth == before and len(growth) == 1 and min(growth) >= 0 and not loop.each
            before = growth
            if steady and at <= segment.last:
                place = bisect_left(stops, at)
                until = min([segment.last + 1, *stops[place : place + 1]])
                further = (until - at) * min(growth)
                state, yields = [path + further for path in state], [path + further for path in yields]
                at = until
        return state, yields

    def step(self, loop: Loop, iteration: int, state: list[int]) -> list[int]:
        """What one iteration yields."""
        self.iteration[loop.var] = iteration
        self.paths |= zip((carry.inner.name for carry in loop.carries), state, strict=True)
        for each in loop.each:
            elements = self.series.get(each.series.name)
            self.paths[each.inner.name] = elements[iteration - 1] if elements else self.paths[each.series.name]
        return self.body(loop.body)

    def exits_of(self, loop: Loop, iteration: int) -> None:
        """The exits of the iteration that was followed last: one more element of each series that has it."""
        for emit, results in loop.collected:
            if iteration in emit.iterations:
                self.exit(emit, results)

    def exit(self, emit: Emit, results: tuple[Value, ...]) -> None:
        """One more element of the series of an emit; of outputs that nobody asked for, nothing is followed."""
        if self.wanted is not None and all(self.label(result) not in {None, *self.wanted} for result in results):
            for result in results:
                self.series[result.name].append(0)
            return
        for result, path in zip(results, self.body(emit.body), strict=True):
            self.series[result.name].append(path)

    def label(self, result: Value) -> str | None:
        """The label of an output's next element; none for a series that something else reads."""
        labels = self.exits.get(result.name)
        return labels[len(self.series[result.name])] if labels else None
