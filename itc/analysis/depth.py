"""The longest path from the inputs to each output, through rolled loops.

The body of a loop maps the depths of its carries to those of the next iteration by maxima of sums, a matrix product in
max-plus algebra. n iterations are a power of that matrix, so the time depends on the size of the body and log n. Only
loops over a series are evaluated iteration by iteration, since each element has its own depth.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Apply, Body, Each, Emit, Loop, Net, Statement, When, walk
from itc.ir.uses import body_reads, data_operands
from itc.records import dataclass

Form = NDArray[np.float64]
Matrix = NDArray[np.float64]
Cost = Callable[[Apply], float]
NEVER = -np.inf
FEW = 256
#: Up to this number of iterations, single steps are faster than matrix powers.
FEW_STEPS = 64
#: Below this number of columns, a product is faster column by column.
FEW_COLUMNS = 16


def longest_paths(net: Net, cost: Cost) -> dict[str, int]:
    """For each output label, the greatest sum of `cost` over a path from an input.

    If a nested loop reads a series of FEW or more elements from outside both loops, all elements count as the deepest.
    """
    solver = _Depth(cost, sources=1)
    solver.forms |= {value.name: np.zeros(1) for value in net.inputs}
    solver.statements(net.body)
    out: dict[str, int] = {}
    for output in net.outputs:
        forms = solver.series.get(output.value.name) or [solver.forms[output.value.name]]
        out |= {label: int(max(form[0], 0)) for label, form in zip(output.labels, forms, strict=True)}
    return out


@dataclass(frozen=True, slots=True)
class Segment:
    """Iterations `first` to `last`, which take the same branches, as do all segments of equal `kind`."""

    first: int
    last: int
    kind: int


class _Depth:
    """Depths of values as max-plus linear forms: entry j is the distance from source j.

    The inputs together are one source; in a loop, the elements of its series and its carries are sources too.
    """

    def __init__(self, cost: Cost, sources: int, iteration: dict[str, int] | None = None) -> None:
        self.cost = cost
        self.sources = sources
        self.forms: dict[str, Form] = {}
        self.series: dict[str, list[Form]] = {}
        self.iteration = iteration or {}

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When(var=var, iterations=iterations):
                    chosen = statement.body if self.iteration[var] in iterations else statement.otherwise
                    self.forms |= zip((v.name for v in statement.results), self.body(chosen), strict=True)
                case Emit():
                    pass  # evaluated by the enclosing loop at its exits

    def body(self, body: Body) -> list[Form]:
        self.statements(body.statements)
        return [self.forms[value.name] for value in body.yields]

    def apply(self, apply: Apply) -> None:
        read = data_operands(apply)
        deepest = np.max([self.forms[v.name] for v in read], axis=0) if read else np.full(self.sources, NEVER)
        for result in apply.results:
            self.forms[result.name] = deepest + self.cost(apply)

    def loop(self, loop: Loop) -> None:
        after, exits = _LoopDepth(loop, self).run()
        self.forms |= zip((v.name for v in loop.carry_results), after, strict=False)
        # The number of iterations is known at the end of the loop, like its carries.
        self.forms |= {value.name: np.max(after, axis=0) for value in loop.halt_results}
        for (_, results), depths in zip(loop.collected, exits, strict=True):
            for position, result in enumerate(results):
                self.series[result.name] = [at_exit[position] for at_exit in depths]
                self.forms[result.name] = np.max(self.series[result.name], axis=0)


class _LoopDepth:
    """Depths of one loop, as forms over the elements of its series, its carries and the outer sources.

    The score of a loop that halts is an extra carry at the end: no operation reads it, and all others depend on it.
    """

    def __init__(self, loop: Loop, outer: _Depth) -> None:
        self.loop = loop
        self.outer = outer
        self.inner = [e.inner.name for e in loop.each] + [c.inner.name for c in loop.carries]
        self.rows = len(self.inner) + bool(loop.halt)
        self.read = sorted(name for name in body_reads(loop.body) if name in outer.forms)
        self.series = [name for name in self.read if len(outer.series.get(name, ())) in range(1, FEW)]
        self.bodies: dict[int, tuple[_Step, _Depth]] = {}
        self.emits: dict[int, list[int]] = {}
        self.outlets = loop.emits
        for outlet, emit in enumerate(self.outlets):
            for iteration in emit.iterations:
                self.emits.setdefault(iteration, []).append(outlet)
        self.stopping = sorted(self.emits)
        self.heads: dict[tuple[int, int], list[Form]] = {}
        score = [np.full(outer.sources, NEVER)] if loop.halt else []
        inits = [outer.forms[c.init.name] for c in loop.carries]
        state = [*(self.element(e, 1) for e in loop.each), *inits, *score]
        self.state = np.array(state).reshape(self.rows, outer.sources)

    def element(self, each: Each, iteration: int) -> Form:
        """The depth of the element of a series for an iteration."""
        known = self.outer.series.get(each.series.name)
        return known[iteration - 1] if known else self.outer.forms[each.series.name]

    def run(self) -> tuple[Matrix, list[list[list[Form]]]]:
        """Depths of the carries after the loop, and of the yields of each emit at each of its exits."""
        exits: list[list[list[Form]]] = [[] for _ in self.outlets]
        for segment in segments(self.loop):
            at = segment.first
            step, _ = self.representative(segment)
            for stop in self.stops(segment):
                before = step.run(stop - at, self.state)
                for row, each in enumerate(self.loop.each):
                    before[row] = self.element(each, stop)
                for outlet in self.emits.get(stop, ()):
                    exits[outlet].append([self.forward(form, before) for form in self.head(segment, outlet)])
                self.state, at = step(before), stop + 1
            self.state = step.run(segment.last + 1 - at, self.state)
        return self.state[len(self.loop.each) :], exits

    def head(self, segment: Segment, outlet: int) -> list[Form]:
        """Depths of the yields of an emit, over the sources of the body."""
        if (segment.kind, outlet) not in self.heads:
            _, solver = self.representative(segment)
            self.heads[segment.kind, outlet] = solver.body(self.outlets[outlet].body)
        return self.heads[segment.kind, outlet]

    def stops(self, segment: Segment) -> Iterable[int]:
        """The exits in a segment; all its iterations if the loop reads a series."""
        if self.loop.each:
            return range(segment.first, segment.last + 1)
        return self.stopping[bisect_left(self.stopping, segment.first) : bisect_right(self.stopping, segment.last)]

    def forward(self, form: Form, state: Matrix) -> Form:
        """A depth over the sources of the body, converted to the outer sources."""
        return np.asarray(_Step(form[None, : self.rows], form[None, self.rows :])(state)[0])

    def representative(self, segment: Segment) -> tuple[_Step, _Depth]:
        """The state transition of the iterations of a segment's kind, and the depths in their body."""
        if segment.kind not in self.bodies:
            sources = self.rows + self.outer.sources
            solver = _Depth(self.outer.cost, sources, {**self.outer.iteration, self.loop.var: segment.first})
            solver.forms = dict(zip(self.inner, unit(sources), strict=False))
            solver.forms |= {name: self.outside(self.outer.forms[name]) for name in self.read}
            solver.series = {name: [self.outside(form) for form in self.outer.series[name]] for name in self.series}
            rows = solver.body(self.loop.body)
            if self.loop.halt:  # every carry depends on the score
                score = solver.forms[self.loop.halt.score.name]
                rows = [*(np.maximum(row, score) for row in rows), score]
            elements = unit(sources)[: len(self.loop.each)]
            matrix = np.concatenate([elements, np.array(rows).reshape(len(rows), sources)])
            self.bodies[segment.kind] = _Step(matrix[:, : self.rows], matrix[:, self.rows :]), solver
        return self.bodies[segment.kind]

    def outside(self, form: Form) -> Form:
        """A depth over the outer sources, converted to the sources of the body."""
        return np.append(np.full(self.rows, NEVER), form)


class _Step:
    """The transition of one iteration on a state with a row of distances per element and carry.

    `over` are distances from the previous rows, `outside` distances from outer sources that bypass them.
    """

    def __init__(self, over: Matrix, outside: Matrix) -> None:
        self.over = over
        self.outside = outside

    def __call__(self, state: Matrix) -> Matrix:
        return np.maximum(product(self.over, state), self.outside)

    def run(self, count: int, state: Matrix) -> Matrix:
        """The state after `count` iterations: single steps if they are few, else repeated squaring."""
        if count <= FEW_STEPS:
            for _ in range(count):
                state = self(state)
            return state
        half = self.twice.run(count // 2, state)
        return self(half) if count % 2 else half

    @cached_property
    def twice(self) -> _Step:
        return _Step(product(self.over, self.over), self(self.outside))


def segments(loop: Loop) -> Iterator[Segment]:
    """Maximal ranges of iterations without a change of any condition on the loop's variable."""
    conditions = [s.iterations for s in walk(loop.body.statements) if isinstance(s, When) and s.var == loop.var]
    chosen = list(dict.fromkeys(conditions))
    changes = (part for iterations in chosen for run in iterations.runs for part in _changes(run))
    starts = np.sort(np.concatenate([[1], *changes]))
    starts = starts[(np.diff(starts, prepend=0) > 0) & (starts <= loop.count)]
    taken = np.zeros(len(starts), np.int64)
    for iterations in chosen:
        member = iterations.groups_until(1, starts) - iterations.groups_until(1, starts - 1)
        taken = np.unique(taken * 2 + member, return_inverse=True)[1]
    new = np.append(True, taken[1:] != taken[:-1])
    ends = pairwise([*starts[new].tolist(), loop.count + 1])
    for (first, end), kind in zip(ends, taken[new].tolist(), strict=True):
        yield Segment(first, end - 1, kind)


def _changes(run: range) -> tuple[NDArray[np.int64], ...]:
    """Iterations at which membership in `run` changes."""
    if run.step == 1:
        return (np.array([run[0], run[-1] + 1]),)
    members = np.arange(run.start, run.stop, run.step)
    return members, members + 1


def unit(size: int) -> Matrix:
    """The max-plus identity matrix: 0 on the diagonal, NEVER elsewhere."""
    return np.where(np.eye(size) > 0, 0.0, NEVER)


def product(left: Matrix, right: Matrix) -> Matrix:
    """The max-plus product: entry i, j is the maximum over k of left[i, k] + right[k, j]."""
    if len(right) and right.shape[1] < FEW_COLUMNS:
        return np.stack([(left + column).max(axis=1) for column in right.T], axis=1)
    out = np.full((len(left), right.shape[1]), NEVER)
    for k in np.flatnonzero((left > NEVER).any(axis=0)):
        np.maximum(out, left[:, k, None] + right[k], out=out)
    return out
