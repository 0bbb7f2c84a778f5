"""Conditions on `iteration`: `if` and the ternary become regions, whose results are what the branches leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.ir import IterationSet, SeriesType, Statement, Value, When, close
from itc.source import Span
from itc_dsl import ast
from itc_dsl.checker.structure import assigned_names
from itc_dsl.lowering.arithmetic import as_truth, equal
from itc_dsl.lowering.scope import Scope, executes, exhausted, narrowed
from itc_dsl.lowering.values import (
    BROKEN,
    Broken,
    Stop,
    Undecided,
    Varying,
    is_number,
    leaves,
    rebuild,
    same_structure,
    tensor_types,
)

MISSING = object()
#: How many times as long as other work on a table it takes to make a set of its iterations.
SETS_COST = 10
#: How often a condition may change in one loop.
MAX_CHANGES = 100_000


def chosen(values: NDArray[Any]) -> IterationSet:
    """The iterations for which a table is true."""
    numbers = np.flatnonzero(values) + 1
    if numbers.size and int(numbers[-1]) - int(numbers[0]) + 1 == numbers.size:
        return IterationSet.span(int(numbers[0]), int(numbers[-1]))
    return IterationSet.of(numbers.tolist())


def decided(scope: Scope, truth: Varying, span: Span) -> bool | IterationSet:
    """The iterations that come here and for which a condition holds; true or false where that is all or none."""
    scope.lowering.spend(span, *[truth] * SETS_COST)
    reach = truth.frame.reach
    _regular(truth, span)
    taken = reach.intersection(chosen(truth.values))
    return taken if 0 < len(taken) < len(reach) else len(taken) > 0


def _regular(truth: Varying, span: Span) -> None:
    """Raises CompileError (E0391) for a condition that changes more often than a loop of one operation may have it."""
    reach = truth.frame.reach
    changes = np.count_nonzero(np.diff(truth.values[reach.runs[0][0] - 1 : reach.last]))
    if changes > MAX_CHANGES:
        message = f"a condition on `iteration` changes {changes} times"
        raise exhausted("E0391", message, span, f"at most {MAX_CHANGES} times, in a loop of few operations")


@dataclass
class Region:
    """The two branches of a condition while they are elaborated, and the results of their `When` as they are found."""

    truth: Varying
    iterations: IterationSet
    span: Span
    statements: tuple[list[Statement], list[Statement]]
    yields: tuple[list[Value], list[Value]] = field(default_factory=lambda: ([], []))
    results: list[Value] = field(default_factory=list)
    undecided: bool = False


def branches(scope: Scope, truth: Varying, taken: IterationSet, span: Span, *runs: Callable[[], None]) -> Region:
    """Elaborates the branch of the iterations `taken` and that of all others that come here."""
    collected = []
    frame = truth.frame
    for reach, run in zip((taken, frame.reach.difference(taken)), runs, strict=True):
        with scope.lowering.builder.body() as statements, narrowed(frame, reach):
            run()
        collected.append(statements)
    return Region(truth, taken, span, (collected[0], collected[1]))


def finish(scope: Scope, region: Region) -> None:
    """Adds the `When`, if the branches do anything. Raises CompileError (E0309) if nothing of it can be used.

    Where they leave a variable without one value, it is the reading of that variable that is wrong, if it is read.
    """
    if region.results:
        first, second = (close(s, y) for s, y in zip(region.statements, region.yields, strict=True))
        when = When(region.truth.frame.var, region.iterations, first, second, tuple(region.results), region.span)
        scope.lowering.builder.add(when)
    elif any(region.statements):
        help = "use what it assigns behind it, or leave it out"
        unused = fail("E0309", "nothing that this `if` computes is used", region.span, "computes something", help)
        if not region.undecided:
            raise unused
        scope.lowering.unused.extend(unused.diagnostics)


# The statement


@executes(ast.If)
def if_(scope: Scope, statement: ast.If) -> None:
    truth = as_truth(scope.value(statement.condition), statement.condition)
    taken = decided(scope, truth, statement.condition.span) if isinstance(truth, Varying) else truth
    if isinstance(taken, bool):
        scope.run(statement.body if taken else statement.otherwise)
        return
    assert isinstance(truth, Varying)
    for node in ast.walk(*statement.body, *statement.otherwise):
        if isinstance(node, ast.Return):
            message = "a block returns in all iterations or in none"
            help = "give a name its value in both branches, and return that behind them"
            raise fail("E0310", message, node.span, "in some iterations only", help)
    before = scope.names
    after: list[dict[str, object]] = []

    def run(suite: ast.Suite) -> None:
        scope.names = dict(before)
        scope.run(suite)
        after.append(scope.names)

    region = branches(
        scope,
        truth,
        taken,
        statement.span,
        lambda: run(statement.body),
        lambda: run(statement.otherwise),
    )
    scope.names = before
    span = statement.condition.span
    for name in dict.fromkeys(assigned_names((statement,))):
        ends = [names.get(name, MISSING) for names in after]
        if ends[0] is ends[1]:
            scope.names[name] = ends[0]
        elif not read_outside(scope, name, statement):
            scope.names[name] = Undecided(span, "assigned under this condition")
        else:
            scope.names[name] = merged(scope, region, name, ends[0], ends[1], span)
            region.undecided |= isinstance(scope.names[name], Undecided | Broken)
    finish(scope, region)


def _reads(scope: Scope) -> dict[str, tuple[int, int]]:
    """For each name the first and the last offset at which a body reads it; a carry is read at the end."""
    definition = scope.definition
    if definition in scope.lowering.reads:
        return scope.lowering.reads[definition]
    out = scope.lowering.reads[definition] = {}
    for node in ast.walk(*definition.body):
        if isinstance(node, ast.Name | ast.Call):
            text = node.text if isinstance(node, ast.Name) else node.callee.text
            at = node.span.start if isinstance(node, ast.Name) else node.callee.span.start
            first, last = out.get(text, (at, at))
            out[text] = min(first, at), max(last, at)
    for param in definition.params:
        if param.role == "carry":
            out[param.name.text] = -1, len(definition.span.source.text)
    return out


def read_outside(scope: Scope, name: str, statement: ast.If) -> bool:
    """Whether a body reads a name anywhere but inside a statement."""
    first, last = _reads(scope).get(name, (statement.span.start, statement.span.start))
    return first < statement.span.start or last >= statement.span.end


# What both branches leave


def merged(scope: Scope, region: Region, name: str, first: object, second: object, span: Span) -> object:
    """One value for two branches: itself, a result of the region, a table, or a note of why there is none."""
    if isinstance(first, Broken) or isinstance(second, Broken):
        return BROKEN
    if first is MISSING or second is MISSING:
        return Undecided(span, "assigned only where this holds" if second is MISSING else "assigned only elsewhere")
    for side in (first, second):
        if isinstance(side, Undecided):
            return side
    joined = _joined(scope, region, name, first, second, span)
    if joined is MISSING:
        where = region.iterations
        note = f"{tensor_types(first)} in iterations {where}, {tensor_types(second)} in all others"
        return Undecided(span, note)
    return joined


def _joined(scope: Scope, region: Region, name: str, first: object, second: object, span: Span) -> object:
    """One value for two, MISSING where they are too unlike."""
    if not same_structure(first, second):
        return MISSING
    pairs = list(zip(leaves(first), leaves(second), strict=True))
    joined = [_leaf(region, left, right) for left, right in pairs]
    if any(leaf is MISSING for leaf in joined):
        return MISSING
    out: list[object] = []
    for position, (leaf, (left, right)) in enumerate(zip(joined, pairs, strict=True)):
        if leaf is not None or left is None:
            out.append(leaf)
            continue
        assert isinstance(left, Value) and isinstance(right, Value)
        hint = name if len(pairs) == 1 else f"{name}_{position}"
        result = scope.lowering.value(left.type, hint, scope.lowering.origins.get(left.name, span))
        for yields, value in zip(region.yields, (left, right), strict=True):
            yields.append(value)
        region.results.append(result)
        out.append(result)
    return rebuild(first, iter(out))


def _leaf(region: Region, left: object, right: object) -> object:
    """A joined value, None for two tensors that need a result of the region, MISSING where there is no one value."""
    if left is right:
        return left
    if isinstance(left, Value) and isinstance(right, Value):
        return None if left.type == right.type and not isinstance(left.type, SeriesType) else MISSING
    if isinstance(left, Value) or isinstance(right, Value):
        return MISSING
    if not isinstance(left, Varying) and not isinstance(right, Varying) and equal(left, right):
        return left
    return tabulated(region.truth, left, right)


def tabulated(truth: Varying, left: object, right: object) -> object:
    """A table of two numbers or two truths, MISSING for anything else."""
    sides: list[Any] = [side.values if isinstance(side, Varying) else side for side in (left, right)]
    if any(isinstance(side, Varying) and side.frame is not truth.frame for side in (left, right)):
        return MISSING
    truths = [isinstance(side, bool) or (isinstance(side, np.ndarray) and side.dtype == np.bool_) for side in sides]
    numbers = [is_number(side) or (isinstance(side, np.ndarray) and side.dtype != np.bool_) for side in sides]
    if not all(truths) and not all(numbers):
        return MISSING
    return Varying(truth.frame, np.where(truth.values, sides[0], sides[1]))


# The ternary


def choose(scope: Scope, truth: Varying, expr: ast.Ternary) -> object:
    """The value of a ternary whose condition depends on `iteration`."""
    taken = decided(scope, truth, expr.condition.span)
    if isinstance(taken, bool):
        return scope.value(expr.then if taken else expr.otherwise)
    ends: list[object] = []
    region = branches(
        scope,
        truth,
        taken,
        expr.span,
        lambda: ends.append(scope.value(expr.then)),
        lambda: ends.append(scope.value(expr.otherwise)),
    )
    value = merged(scope, region, "", ends[0], ends[1], expr.condition.span)
    if isinstance(value, Broken):
        raise Stop
    if isinstance(value, Undecided):
        message = "both sides have to be alike"
        raise CompileError([Diagnostic("E0309", message, Label(expr.span, value.note))])
    finish(scope, region)
    return value
