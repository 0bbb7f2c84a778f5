"""The longest path from the inputs to each output, through loops of any length.

A body turns the depths of its carries into those of the next iteration by maxima of sums, which is a matrix product in
the max-plus algebra; n iterations are a power of that matrix, so the time goes with the body's size and log n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When, walk

Form = NDArray[np.float64]
Matrix = NDArray[np.float64]
Cost = Callable[[Apply], float]
NEVER = -np.inf


def longest_paths(net: Net, cost: Cost) -> dict[str, int]:
    """For each output label the greatest sum of `cost` over the operations of a path from an input to it."""
    solver = _Depth(cost)
    solver.forms |= {value.name: np.zeros(1) for value in net.inputs}
    solver.statements(net.body)
    out: dict[str, int] = {}
    for output in net.outputs:
        forms = solver.series.get(output.value.name) or [solver.forms[output.value.name]]
        out |= {label: int(max(form[0], 0)) for label, form in zip(output.labels, forms, strict=True)}
    return out


@dataclass(frozen=True, slots=True)
class _Segment:
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
        for (_, results), depths in zip(loop.collected, exits, strict=True):
            for position, result in enumerate(results):
                self.series[result.name] = [at_exit[position] for at_exit in depths]
                self.forms[result.name] = np.max(self.series[result.name], axis=0)


class _LoopDepth:
    """One loop: its body as matrices over the sources (carries first, then what it reads from outside)."""

    def __init__(self, loop: Loop, outer: _Depth) -> None:
        self.loop = loop
        self.outer = outer
        self.read = sorted(_free(loop) & set(outer.forms))
        self.sources = len(loop.carries) + len(self.read) + len(loop.each)
        self.bodies: dict[int, tuple[Matrix, _Depth]] = {}
        self.state = np.stack(
            [outer.forms[c.init.name] for c in loop.carries]
            + [outer.forms[name] for name in self.read]
            + [outer.forms[e.series.name] for e in loop.each]
        )

    def run(self) -> tuple[list[Form], list[list[list[Form]]]]:
        """Depths of the carries after the loop, and for each emit those at each of its exits."""
        exits: list[list[list[Form]]] = [[] for _ in self.loop.emits]
        for segment in _segments(self.loop):
            at = segment.first
            for stop in self.stops(segment):
                matrix, solver = self.representative(segment.first)
                before = product(power(matrix, stop - at), self.state)
                for emit, depths in zip(self.loop.emits, exits, strict=True):
                    if stop in emit.iterations:
                        depths.append([self.forward(form, before) for form in solver.body(emit.body)])
                self.state, at = product(matrix, before), stop + 1
            self.state = product(power(self.representative(segment.first)[0], segment.last + 1 - at), self.state)
        return list(self.state[: len(self.loop.carries)]), exits

    def stops(self, segment: _Segment) -> list[int]:
        """The exits inside a segment."""
        return sorted({t for emit in self.loop.emits for t in emit.iterations.clip(segment.first, segment.last)})

    def forward(self, form: Form, state: Matrix) -> Form:
        """A depth over the body's sources as one over the sources outside."""
        return np.asarray(product(form[None, :], state)[0])

    def representative(self, iteration: int) -> tuple[Matrix, _Depth]:
        """The body of the iterations that branch as `iteration` does, as a matrix that keeps the outside as it is."""
        if iteration not in self.bodies:
            solver = _Depth(self.outer.cost, {**self.outer.iteration, self.loop.var: iteration})
            units = unit(self.sources)
            names = [c.inner.name for c in self.loop.carries] + self.read + [e.inner.name for e in self.loop.each]
            solver.forms = dict(zip(names, units, strict=True))
            rows = solver.body(self.loop.body)
            self.bodies[iteration] = np.stack([*rows, *units[len(rows) :]]), solver
        return self.bodies[iteration]


def _segments(loop: Loop) -> Iterator[_Segment]:
    """Runs of iterations between which some condition on this loop's variable changes."""
    taken = np.zeros(loop.count, np.int64)
    conditions = [s.iterations for s in walk(loop.body.statements) if isinstance(s, When) and s.var == loop.var]
    for iterations in dict.fromkeys(conditions):
        member = np.zeros(loop.count, np.int64)
        for run in iterations.runs:
            member[run.start - 1 : run.stop - 1 : run.step] = 1
        taken = np.unique(taken * 2 + member, return_inverse=True)[1]
    starts = [0, *(np.flatnonzero(np.diff(taken)) + 1).tolist(), loop.count]
    for first, end in pairwise(starts):
        yield _Segment(first + 1, end)


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
