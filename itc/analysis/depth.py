"""The longest path from the inputs to each output, through loops of any length.

A body turns the depths of its carries into those of the next iteration by maxima of sums, which is a matrix product in
the max-plus algebra; n iterations are a power of that matrix, so the time goes with the body's size and log n. Only a
loop that walks a series takes its iterations one by one: each brings an element of a depth of its own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Apply, Body, Each, Emit, Loop, Net, Statement, When, walk
from itc.ir.uses import body_reads, data_operands

Form = NDArray[np.float64]
Matrix = NDArray[np.float64]
Cost = Callable[[Apply], float]
NEVER = -np.inf
FEW = 256
#: So many iterations one by one are quicker than the powers of a matrix.
FEW_STEPS = 64
#: A product with so few columns is quicker column by column.
FEW_COLUMNS = 16


def longest_paths(net: Net, cost: Cost) -> dict[str, int]:
    """For each output label the greatest sum of `cost` over the operations of a path from an input to it.

    Where a loop inside another walks a series of FEW or more elements from outside both, all count as the deepest.
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
    """Iterations `first` to `last`, all of which take the same branches; so do all segments of one `kind`."""

    first: int
    last: int
    kind: int


class _Depth:
    """Depths of values as forms: entry j is the distance from source j.

    The sources are the inputs together; in a loop, also the elements of series that it walks and its carries.
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
                    pass  # the loop around asks for it at its exits

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
        # How long it ran is known when it has ended, which is when its carries leave.
        self.forms |= {value.name: np.max(after, axis=0) for value in loop.halt_results}
        for (_, results), depths in zip(loop.collected, exits, strict=True):
            for position, result in enumerate(results):
                self.series[result.name] = [at_exit[position] for at_exit in depths]
                self.forms[result.name] = np.max(self.series[result.name], axis=0)


class _LoopDepth:
    """One loop: what its body makes of elements of series and of carries, beside the sources outside.

    The score of a loop that halts is the last of its carries: no operation reads it, and all others wait for it.
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
        for place, emit in enumerate(self.outlets):
            for iteration in emit.iterations:
                self.emits.setdefault(iteration, []).append(place)
        self.stopping = sorted(self.emits)
        self.heads: dict[tuple[int, int], list[Form]] = {}
        score = [np.full(outer.sources, NEVER)] if loop.halt else []
        inits = [outer.forms[c.init.name] for c in loop.carries]
        state = [*(self.element(e, 1) for e in loop.each), *inits, *score]
        self.state = np.array(state).reshape(self.rows, outer.sources)

    def element(self, each: Each, iteration: int) -> Form:
        """The depth of what a series holds for an iteration."""
        known = self.outer.series.get(each.series.name)
        return known[iteration - 1] if known else self.outer.forms[each.series.name]

    def run(self) -> tuple[Matrix, list[list[list[Form]]]]:
        """Depths of the carries after the loop, and for each emit those at each of its exits."""
        exits: list[list[list[Form]]] = [[] for _ in self.outlets]
        for segment in segments(self.loop):
            at = segment.first
            step, _ = self.representative(segment)
            for stop in self.stops(segment):
                before = step.run(stop - at, self.state)
                for row, each in enumerate(self.loop.each):
                    before[row] = self.element(each, stop)
                for place in self.emits.get(stop, ()):
                    exits[place].append([self.forward(form, before) for form in self.head(segment, place)])
                self.state, at = step(before), stop + 1
            self.state = step.run(segment.last + 1 - at, self.state)
        return self.state[len(self.loop.each) :], exits

    def head(self, segment: Segment, place: int) -> list[Form]:
        """Depths of what an emit hands out, over the body's sources."""
        if (segment.kind, place) not in self.heads:
            _, solver = self.representative(segment)
            self.heads[segment.kind, place] = solver.body(self.outlets[place].body)
        return self.heads[segment.kind, place]

    def stops(self, segment: Segment) -> Iterable[int]:
        """The exits inside a segment; every iteration if each brings another element of a series."""
        if self.loop.each:
            return range(segment.first, segment.last + 1)
        return self.stopping[bisect_left(self.stopping, segment.first) : bisect_right(self.stopping, segment.last)]

    def forward(self, form: Form, state: Matrix) -> Form:
        """A depth over the body's sources as one over the sources outside."""
        return np.asarray(_Step(form[None, : self.rows], form[None, self.rows :])(state)[0])

    def representative(self, segment: Segment) -> tuple[_Step, _Depth]:
        """What iterations that branch as those of a segment make of the state, and the depths in their body."""
        if segment.kind not in self.bodies:
            sources = self.rows + self.outer.sources
            solver = _Depth(self.outer.cost, sources, {**self.outer.iteration, self.loop.var: segment.first})
            solver.forms = dict(zip(self.inner, unit(sources), strict=False))
            solver.forms |= {name: self.outside(self.outer.forms[name]) for name in self.read}
            solver.series = {name: [self.outside(form) for form in self.outer.series[name]] for name in self.series}
            rows = solver.body(self.loop.body)
            if self.loop.halt:  # which decides what each carry becomes
                score = solver.forms[self.loop.halt.score.name]
                rows = [*(np.maximum(row, score) for row in rows), score]
            elements = unit(sources)[: len(self.loop.each)]
            matrix = np.concatenate([elements, np.array(rows).reshape(len(rows), sources)])
            self.bodies[segment.kind] = _Step(matrix[:, : self.rows], matrix[:, self.rows :]), solver
        return self.bodies[segment.kind]

    def outside(self, form: Form) -> Form:
        """A depth over the sources outside as one over the body's."""
        return np.append(np.full(self.rows, NEVER), form)


class _Step:
    """What an iteration makes of a state, which has a row of distances for each element and carry.

    `over` are distances from the rows before, `outside` those from the sources outside by other ways.
    """

    def __init__(self, over: Matrix, outside: Matrix) -> None:
        self.over = over
        self.outside = outside

    def __call__(self, state: Matrix) -> Matrix:
        return np.maximum(product(self.over, state), self.outside)

    def run(self, count: int, state: Matrix) -> Matrix:
        """The state behind `count` iterations: one by one where they are few, else by repeated squaring."""
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
    """Runs of iterations between which some condition on this loop's variable changes."""
    conditions = [s.iterations for s in walk(loop.body.statements) if isinstance(s, When) and s.var == loop.var]
    chosen = list(dict.fromkeys(conditions))
    changes = (part for iterations in chosen for run in iterations.runs for part in _changes(run))
    starts = np.unique(np.concatenate([[1], *changes]))
    starts = starts[starts <= loop.count]
    taken = np.zeros(len(starts), np.int64)
    for iterations in chosen:
        member = iterations.groups_until(1, starts) - iterations.groups_until(1, starts - 1)
        taken = np.unique(taken * 2 + member, return_inverse=True)[1]
    new = np.append(True, taken[1:] != taken[:-1])
    ends = pairwise([*starts[new].tolist(), loop.count + 1])
    for (first, end), kind in zip(ends, taken[new].tolist(), strict=True):
        yield Segment(first, end - 1, kind)


def _changes(run: range) -> tuple[NDArray[np.int64], ...]:
    """Iterations at which being one of `run` begins or ends."""
    if run.step == 1:
        return (np.array([run[0], run[-1] + 1]),)
    members = np.arange(run.start, run.stop, run.step)
    return members, members + 1


def unit(size: int) -> Matrix:
    """The matrix that changes nothing: 0 on the diagonal, never elsewhere."""
    return np.where(np.eye(size) > 0, 0.0, NEVER)


def product(left: Matrix, right: Matrix) -> Matrix:
    """The max-plus product: entry i, j is the maximum over k of left[i, k] + right[k, j]."""
    if len(right) and right.shape[1] < FEW_COLUMNS:
        return np.stack([(left + column).max(axis=1) for column in right.T], axis=1)
    out = np.full((len(left), right.shape[1]), NEVER)
    for k in np.flatnonzero((left > NEVER).any(axis=0)):
        np.maximum(out, left[:, k, None] + right[k], out=out)
    return out
