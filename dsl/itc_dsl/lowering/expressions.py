"""Literals, names, lists, comprehensions, indexing and the ternary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir.op import LAYERS
from itc.source import Span
from itc_dsl import ast
from itc_dsl.checker.names import ITERATION
from itc_dsl.lowering.branches import choose
from itc_dsl.lowering.comparisons import as_truth
from itc_dsl.lowering.scope import Scope, as_integer, evaluates
from itc_dsl.lowering.tables import picked
from itc_dsl.lowering.values import (
    BlockRef,
    Broken,
    BuiltinRef,
    Items,
    OperationRef,
    Stop,
    Undecided,
    Varying,
    describe,
    is_tensor,
    make_list,
    of_series,
)
from itc_dsl.program import Unit
from itc_dsl.signature import BUILTINS


@evaluates(ast.Number)
@evaluates(ast.Text)
@evaluates(ast.Constant)
def literal(_: Scope, expr: ast.Number | ast.Text | ast.Constant) -> object:
    return expr.value


@evaluates(ast.Name)
def name(scope: Scope, expr: ast.Name) -> object:
    if expr.text == ITERATION:
        return iteration(scope, expr)
    if expr.text in scope.names:
        return variable(scope, expr, scope.names[expr.text])
    value = global_value(scope.unit, expr.text)
    if value is None:
        message = f"`{expr.text}` has no value here"
        raise fail("E0203", message, expr.span, "not assigned on this path")
    return value


def variable(scope: Scope, expr: ast.Name, value: object) -> object:
    """The value of a variable in this scope."""
    if isinstance(value, Broken):
        raise Stop
    if isinstance(value, Undecided):
        message = f"`{expr.text}` does not have one type in all iterations"
        secondary = (Label(value.span, value.note),)
        raise CompileError([Diagnostic("E0309", message, Label(expr.span, "read here"), secondary)])
    return scope.view(value, expr.span) if scope.view else value


def global_value(unit: Unit, text: str) -> BlockRef | BuiltinRef | OperationRef | None:
    """The block or operation of a name that is not a variable, if any."""
    defined = unit.names.get(text)
    if defined is not None and isinstance(defined.definition, ast.Block):
        return BlockRef(defined)
    if text in BUILTINS:
        return BuiltinRef(text)
    return OperationRef(text) if text in LAYERS else None


def iteration(scope: Scope, expr: ast.Name) -> object:
    if scope.loop is None:
        raise fail("E0411", "`iteration` is not defined here", expr.span, "no enclosing loop")
    table = Varying(scope.loop, np.arange(1, scope.loop.count + 1))
    scope.lowering.spend(expr.span, table)
    return table


@evaluates(ast.List)
def list_(scope: Scope, expr: ast.List) -> object:
    return make_list([scope.value(item) for item in expr.items], expr.span)


@evaluates(ast.Comprehension)
def comprehension(scope: Scope, expr: ast.Comprehension) -> object:
    outside = dict(scope.names)
    try:
        items = [scope.value(expr.element) for _ in clauses(scope, expr.clauses)]
    finally:
        scope.names = outside
    return make_list(items, expr.span)


def clauses(scope: Scope, rest: Sequence[ast.Clause]) -> Iterator[None]:
    """Assigns the targets of all combinations that satisfy the clauses, in order."""
    if not rest:
        yield
        return
    clause = rest[0]
    for position, value in enumerate(elements(scope.value(clause.source), clause.source.span)):
        assign(scope, clause.targets, value, clause.source.span)
        if all(holds(scope, condition) for condition in clause.conditions):
            with scope.at_index(position):
                yield from clauses(scope, rest[1:])


def holds(scope: Scope, condition: ast.Expr) -> bool:
    truth = as_truth(scope.value(condition), condition)
    if isinstance(truth, Varying):
        message = "the length of a list cannot depend on `iteration`"
        raise fail("E0412", message, condition.span, "depends on `iteration`")
    return truth


def elements(value: object, span: Span) -> tuple[object, ...]:
    """The elements that a `for` iterates over (E0303)."""
    if isinstance(value, Items):
        return value.items
    help = "write `range(n)`" if isinstance(value, int) else of_series(value)
    raise fail("E0303", "`for` needs a list", span, f"this is {describe(value)}", help)


def assign(scope: Scope, target: ast.Target, value: object, span: Span) -> None:
    """Binds targets to a value, or to the elements of a list (E0306)."""
    if isinstance(target, ast.Ident):
        scope.names[target.text] = value
        if scope.lowering.trace:
            scope.lowering.trace.record(target, value)
        return
    if not isinstance(value, Items) or len(value.items) != len(target.items):
        message = f"{len(target.items)} names for {describe(value)}"
        secondary = (Label(target.span, f"{len(target.items)} names"),) if target.span != span else ()
        raise CompileError([Diagnostic("E0306", message, Label(span, f"this is {describe(value)}"), secondary)])
    for item, part in zip(target.items, value.items, strict=True):
        assign(scope, item, part, span)


@evaluates(ast.Index)
def index(scope: Scope, expr: ast.Index) -> object:
    items = indexable(scope, expr)
    place = scope.value(expr.index)
    if isinstance(place, Varying) and place.values.dtype.kind == "i":
        return picked(scope, items, place, expr.span)
    position = as_integer(place, expr.index, "an index")
    if not -len(items.items) <= position < len(items.items):
        message = f"index {position} is out of range for a list of {len(items.items)}"
        raise fail("E0306", message, expr.index.span, "out of range", "elements count from 0")
    return items.items[position]


@evaluates(ast.Slice)
def slice_(scope: Scope, expr: ast.Slice) -> object:
    items = indexable(scope, expr)
    start, stop = (scope.integer(bound, "an index") if bound else None for bound in (expr.start, expr.stop))
    scope.lowering.spend(expr.span, items)
    return make_list(items.items[start:stop], expr.span)


def indexable(scope: Scope, expr: ast.Index | ast.Slice) -> Items:
    value = scope.value(expr.base)
    if isinstance(value, Items):
        return value
    label = Label(expr.base.span, f"this is {describe(value)}")
    if not is_tensor(value):
        raise CompileError([Diagnostic("E0303", "only lists have elements", label, help=of_series(value))])
    call = _tensor_part(expr)
    help = f"state the axis; for the first: `{call}`"
    message = "tensors have no `[...]`: call `index` or `slice`"
    raise CompileError([Diagnostic("E0303", message, label, help=help, edit=Edit(expr.span, call))])


def _tensor_part(expr: ast.Index | ast.Slice) -> str:
    """The call for this part of a tensor."""
    base = expr.base.span.text
    if isinstance(expr, ast.Index):
        return f"index({base}, {expr.index.span.text})"
    start = expr.start.span.text if expr.start else "0"
    stop = f", {expr.stop.span.text}" if expr.stop else ""
    return f"slice({base}, {start}{stop}, axis=0)"


@evaluates(ast.Ternary)
def ternary(scope: Scope, expr: ast.Ternary) -> object:
    truth = as_truth(scope.value(expr.condition), expr.condition)
    if isinstance(truth, bool):
        return scope.value(expr.then if truth else expr.otherwise)
    return choose(scope, truth, expr)
