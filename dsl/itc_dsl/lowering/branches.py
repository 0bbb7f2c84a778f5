"""Elaborates conditions on `iteration`: `if` and the ternary become `When` statements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.ir import IterationSet, SeriesType, Statement, Value, When, close
from itc.records import dataclass
from itc.source import Span
from itc_dsl import ast
from itc_dsl.checker.structure import assigned_names
from itc_dsl.lowering.comparisons import as_truth, equal
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
#: Cost of building an iteration set, relative to other operations on a table.
SETS_COST = 10
#: Maximum number of changes of a condition in one loop.
MAX_CHANGES = 100_000


def chosen(values: NDArray[Any]) -> IterationSet:
    """The iterations in which a table is true."""
    numbers = np.flatnonzero(values) + 1
    if numbers.size and int(numbers[-1]) - int(numbers[0]) + 1 == numbers.size:
        return IterationSet.span(int(numbers[0]), int(numbers[-1]))
    return IterationSet.of(numbers.tolist())


def decided(scope: Scope, truth: Varying, span: Span) -> bool | IterationSet:
    """The reaching iterations in which a condition holds; true or false for all or none."""
    scope.lowering.spend(span, *[truth] * SETS_COST)
    reach = truth.frame.reach
    _regular(truth, span)
    taken = reach.intersection(chosen(truth.values))
    return taken if 0 < len(taken) < len(reach) else len(taken) > 0


def _regular(truth: Varying, span: Span) -> None:
    """Raises CompileError (E0391) for a condition with too many changes for any loop."""
    reach = truth.frame.reach
    changes = np.count_nonzero(np.diff(truth.values[reach.runs[0][0] - 1 : reach.last]))
    if changes > MAX_CHANGES:
        message = f"a condition on `iteration` changes {changes} times"
        raise exhausted("E0391", message, span, f"at most {MAX_CHANGES} times, in a loop of few operations")


@dataclass
class Branches:
    """The two branches of a condition during elaboration, and the results of their `When`."""

    truth: Varying
    iterations: IterationSet
    span: Span
    statements: tuple[list[Statement], list[Statement]]
    yields: tuple[list[Value], list[Value]] = field(default_factory=lambda: ([], []))
    results: list[Value] = field(default_factory=list)
    undecided: bool = False


def elaborate_branches(
    scope: Scope, truth: Varying, taken: IterationSet, span: Span, *runs: Callable[[], None]
) -> Branches:
    """Elaborates the branch for the iterations `taken` and the branch for the other reaching iterations."""
    collected = []
    frame = truth.frame
    for reach, run in zip((taken, frame.reach.difference(taken)), runs, strict=True):
        with scope.lowering.builder.body() as statements, narrowed(frame, reach):
            run()
        collected.append(statements)
    return Branches(truth, taken, span, (collected[0], collected[1]))


def finish(scope: Scope, branch: Branches) -> None:
    """Adds the `When`, unless both branches are empty. Raises CompileError (E0309) if it has no usable result.

    A variable without a common type is an error only where it is read.
    """
    if branch.results:
        first, second = (close(s, y) for s, y in zip(branch.statements, branch.yields, strict=True))
        when = When(branch.truth.frame.var, branch.iterations, first, second, tuple(branch.results), branch.span)
        scope.lowering.builder.add(when)
    elif any(branch.statements):
        help = "use its assignments after it, or remove it"
        unused = fail("E0309", "the results of this `if` are unused", branch.span, "computes something", help)
        if not branch.undecided:
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
            message = "a `return` cannot depend on `iteration`"
            help = "assign a name in both branches, and return it after them"
            raise fail("E0310", message, node.span, "in some iterations only", help)
    before = scope.names
    after: list[dict[str, object]] = []

    def run(suite: ast.Suite) -> None:
        scope.names = dict(before)
        scope.run(suite)
        after.append(scope.names)

    branch = elaborate_branches(
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
            scope.names[name] = merged(scope, branch, name, ends[0], ends[1], span)
            branch.undecided |= isinstance(scope.names[name], Undecided | Broken)
    finish(scope, branch)


def _reads(scope: Scope) -> dict[str, tuple[int, int]]:
    """For each name, the first and last offset of its reads in a body; a carry is read at the end."""
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
    """Whether a body reads a name outside a statement."""
    first, last = _reads(scope).get(name, (statement.span.start, statement.span.start))
    return first < statement.span.start or last >= statement.span.end


# Results of both branches


def merged(scope: Scope, branch: Branches, name: str, first: object, second: object, span: Span) -> object:
    """The joined value of two branches: an equal value, a result of the `When`, a table, or the reason for none."""
    if isinstance(first, Broken) or isinstance(second, Broken):
        return BROKEN
    if first is MISSING or second is MISSING:
        return Undecided(span, "assigned only where this holds" if second is MISSING else "assigned only elsewhere")
    for side in (first, second):
        if isinstance(side, Undecided):
            return side
    joined = _joined(scope, branch, name, first, second, span)
    if joined is MISSING:
        where = branch.iterations
        note = f"{tensor_types(first)} in iterations {where}, {tensor_types(second)} in all others"
        return Undecided(span, note)
    return joined


def _joined(scope: Scope, branch: Branches, name: str, first: object, second: object, span: Span) -> object:
    """The joined value of two, or MISSING if their structures differ."""
    if not same_structure(first, second):
        return MISSING
    pairs = list(zip(leaves(first), leaves(second), strict=True))
    joined = [_leaf(branch, left, right) for left, right in pairs]
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
        for yields, value in zip(branch.yields, (left, right), strict=True):
            yields.append(value)
        branch.results.append(result)
        out.append(result)
    return rebuild(first, iter(out))


def _leaf(branch: Branches, left: object, right: object) -> object:
    """A joined value; None for two tensors that need a result of the `When`, MISSING for incompatible values."""
    if left is right:
        return left
    if isinstance(left, Value) and isinstance(right, Value):
        return None if left.type == right.type and not isinstance(left.type, SeriesType) else MISSING
    if isinstance(left, Value) or isinstance(right, Value):
        return MISSING
    if not isinstance(left, Varying) and not isinstance(right, Varying) and equal(left, right):
        return left
    return tabulated(branch.truth, left, right)


def tabulated(truth: Varying, left: object, right: object) -> object:
    """A table of two numbers or two booleans, MISSING otherwise."""
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
    branch = elaborate_branches(
        scope,
        truth,
        taken,
        expr.span,
        lambda: ends.append(scope.value(expr.then)),
        lambda: ends.append(scope.value(expr.otherwise)),
    )
    value = merged(scope, branch, "", ends[0], ends[1], expr.condition.span)
    if isinstance(value, Broken):
        raise Stop
    if isinstance(value, Undecided):
        message = "both sides must have the same type"
        raise CompileError([Diagnostic("E0309", message, Label(expr.span, value.note))])
    finish(scope, branch)
    return value
