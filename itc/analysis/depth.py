"""The longest path from the inputs to each output, through loops of any length.

A body turns the depths of its carries into those of the next iteration by maxima of sums, which is a matrix product in
the max-plus algebra; n iterations are a power of that matrix, so the time goes with the body's size and log n. Only a
loop that walks a series takes its iterations one by one: each brings an element of a depth of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Apply, Body, Each, Emit, Loop, Net, Statement, Value, When, walk

Form = NDArray[np.float64]
Matrix = NDArray[np.float64]
Cost = Callable[[Apply], float]
NEVER = -np.inf
FEW = 256


def longest_paths(net: Net, cost: Cost) -> dict[str, int]:
    """For each output label the greatest sum of `cost` over the operations of a path from an input to it.

    Where a loop inside another walks a series of FEW or more elements from outside both, all count as the deepest.
    """
    solver = _Depth(cost)
    solver.forms |= {value.name: np.zeros(1) for value in net.inputs}
    solver.statements(net.body)
    out: dict[str, int] = {}
    for output in net.outputs:
        forms = solver.series.get(output.value.name) or [solver.forms[output.value.name]]
        out |= {label: int(max(form[0], 0)) for label, form in zip(output.labels, forms, strict=True)}
    return out


@dataclass(frozen=True, slots=True)
class Segment:
    """Iterations `first` to `last`, all of which take the same branches."""

    first: int
    last: int


class _Depth:
    """Depths of values as forms: entry j is the distance from source j.

    The sources are the inputs together; in a loop, its carries and what its body reads from outside.
    """

    def __init__(self, cost: Cost, iteration: dict[str, int] | None = None) -> None:
        self.cost = cost
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
        read = [o for i, o in enumerate(apply.operands) if isinstance(o, Value) and i not in apply.op.shape_only]
        size = len(next(iter(self.forms.values())))
        deepest = np.max([self.forms[v.name] for v in read], axis=0) if read else np.full(size, NEVER)
        for result in apply.results:
            self.forms[result.name] = deepest + self.cost(apply)

    def loop(self, loop: Loop) -> None:
        inner = _LoopDepth(loop, self)
        after, exits = inner.run()
        self.forms |= zip((v.name for v in loop.carry_results), after, strict=True)
        # How long it ran is known when it has ended, which is when its carries leave.
        self.forms |= {value.name: np.max(after, axis=0) for value in loop.halt_results}
        for (_, results), depths in zip(loop.collected, exits, strict=True):
            for position, result in enumerate(results):
                self.series[result.name] = [at_exit[position] for at_exit in depths]
                self.forms[result.name] = np.max(self.series[result.name], axis=0)


class _LoopDepth:
    """One loop: its body as matrices over the sources: elements of series, carries, and what it reads from outside."""

    def __init__(self, loop: Loop, outer: _Depth) -> None:
        self.loop = loop
        self.outer = outer
        self.read = sorted(_free(loop) & set(outer.forms))
        self.series = [name for name in self.read if len(outer.series.get(name, ())) in range(1, FEW)]
        self.bodies: dict[int, tuple[Matrix, _Depth]] = {}
        self.state = np.stack(
            [self.element(e, 1) for e in loop.each]
            + [outer.forms[c.init.name] for c in loop.carries]
            + [outer.forms[name] for name in self.read]
            + [form for name in self.series for form in outer.series[name]]
        )

    def element(self, each: Each, iteration: int) -> Form:
        """The depth of what a series holds for an iteration."""
        known = self.outer.series.get(each.series.name)
        return known[iteration - 1] if known else self.outer.forms[each.series.name]

    def run(self) -> tuple[list[Form], list[list[list[Form]]]]:
        """Depths of the carries after the loop, and for each emit those at each of its exits."""
        exits: list[list[list[Form]]] = [[] for _ in self.loop.emits]
        for segment in segments(self.loop):
            at = segment.first
            matrix, solver = self.representative(segment.first)
            for stop in self.stops(segment):
                before = product(power(matrix, stop - at), self.state)
                before[: len(self.loop.each)] = [self.element(e, stop) for e in self.loop.each] or before[:0]
                for emit, depths in zip(self.loop.emits, exits, strict=True):
                    if stop in emit.iterations:
                        depths.append([self.forward(form, before) for form in solver.body(emit.body)])
                self.state, at = product(matrix, before), stop + 1
            self.state = product(power(matrix, segment.last + 1 - at), self.state)
        first = len(self.loop.each)
        return list(self.state[first : first + len(self.loop.carries)]), exits

    def stops(self, segment: Segment) -> Iterable[int]:
        """The exits inside a segment; every iteration if each brings another element of a series."""
        if self.loop.each:
            return range(segment.first, segment.last + 1)
        return sorted({t for emit in self.loop.emits for t in emit.iterations.clip(segment.first, segment.last)})

    def forward(self, form: Form, state: Matrix) -> Form:
        """A depth over the body's sources as one over the sources outside."""
        return np.asarray(product(form[None, :], state)[0])

    def representative(self, iteration: int) -> tuple[Matrix, _Depth]:
        """The body of the iterations that branch as `iteration` does, as a matrix that keeps the outside as it is."""
        if iteration not in self.bodies:
            solver = _Depth(self.outer.cost, {**self.outer.iteration, self.loop.var: iteration})
            units = iter(unit(len(self.state)))
            names = [*(e.inner.name for e in self.loop.each), *(c.inner.name for c in self.loop.carries), *self.read]
            solver.forms = {name: next(units) for name in names}
            solver.series = {name: [next(units) for _ in self.outer.series[name]] for name in self.series}
            solver.forms |= {name: np.max(forms, axis=0) for name, forms in solver.series.items()}
            matrix, first = unit(len(self.state)), len(self.loop.each)
            rows = solver.body(self.loop.body)
            if self.loop.halt:  # which decides what each carry becomes
                rows = [np.maximum(row, solver.forms[self.loop.halt.score.name]) for row in rows]
            matrix[first : first + len(rows)] = rows or matrix[:0]
            self.bodies[iteration] = matrix, solver
        return self.bodies[iteration]


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
    firsts = starts[np.append(True, taken[1:] != taken[:-1])].tolist()
    for first, end in pairwise([*firsts, loop.count + 1]):
        yield Segment(first, end - 1)


def _changes(run: range) -> tuple[NDArray[np.int64], ...]:
    """Iterations at which being one of `run` begins or ends."""
    if run.step == 1:
        return (np.array([run[0], run[-1] + 1]),)
    members = np.arange(run.start, run.stop, run.step)
    return members, members + 1


def _free(loop: Loop) -> set[str]:
    """Names that the body reads; those that it defines itself are among them and not in scope outside."""
    names: set[str] = {value.name for value in loop.body.yields}
    for statement in walk(loop.body.statements):
        match statement:
            case Apply():
                names |= {value.name for value in statement.values}
            case Loop():
                names |= {c.init.name for c in statement.carries} | {e.series.name for e in statement.each}
                names |= {value.name for value in statement.body.yields}
            case When():
                names |= {value.name for body in (statement.body, statement.otherwise) for value in body.yields}
            case Emit():
                names |= {value.name for value in statement.body.yields}
    return names


def unit(size: int) -> Matrix:
    """The matrix that changes nothing: 0 on the diagonal, never elsewhere."""
    return np.where(np.eye(size) > 0, 0.0, NEVER)


def product(left: Matrix, right: Matrix) -> Matrix:
    """The max-plus product: entry i, j is the maximum over k of left[i, k] + right[k, j]."""
    return np.asarray(np.max(left[:, :, None] + right[None, :, :], axis=1))


def power(matrix: Matrix, exponent: int) -> Matrix:
    """`matrix` times itself, by repeated squaring."""
    result = unit(len(matrix))
    while exponent:
        if exponent & 1:
            result = product(matrix, result)
        matrix, exponent = product(matrix, matrix), exponent >> 1
    return result
