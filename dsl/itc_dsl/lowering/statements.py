"""Assignments, `for`, and inputs."""

from __future__ import annotations

from itc.diagnostics import fail
from itc.ir import Builder, TensorType
from itc_dsl import ast
from itc_dsl.lowering.arguments import MAX_SIZE
from itc_dsl.lowering.expressions import assign, elements
from itc_dsl.lowering.scope import VOLUME, Scope, executes


@executes(ast.Assign)
def assignment(scope: Scope, statement: ast.Assign) -> None:
    assign(scope, statement.target, scope.value(statement.value), statement.value.span)


@executes(ast.For)
def for_(scope: Scope, statement: ast.For) -> None:
    """Elaborates the body once for each element; names keep their last value."""
    for position, value in enumerate(elements(scope.value(statement.source), statement.source.span)):
        assign(scope, statement.targets, value, statement.source.span)
        with scope.at_index(position):
            scope.run(statement.body)
        if scope.returned:
            return


@executes(ast.Input)
def input_(scope: Scope, statement: ast.Input) -> None:
    name = statement.name.text
    sizes = []
    for expr in statement.shape:
        size = scope.integer(expr, f"a size of `{name}`")
        if not 1 <= size <= MAX_SIZE:
            raise fail("E0303", f"a size must be at least 1 and at most {MAX_SIZE}", expr.span, f"this is {size}")
        sizes.append(size)
    builder = scope.lowering.builder
    if any(value.name == name for value in builder.inputs):
        raise fail("E0202", f"there are two inputs `{name}`", statement.name.span, "the second")
    _in_order(builder, statement)
    value = builder.input(name, TensorType(statement.dtype.text, tuple(sizes)), statement.default is not None)
    scope.lowering.born(value, statement.span)
    if len(sizes) == VOLUME:
        scope.lowering.volumes.add(name)
    scope.names[name] = value


def _in_order(builder: Builder, statement: ast.Input) -> None:
    """Checks that optional inputs follow the required ones, of which there is at least one (E0214)."""
    if statement.default is None and builder.optional:
        message = "required inputs must precede optional ones"
        raise fail("E0214", message, statement.span, "after an optional input", "move this line up")
    if statement.default is not None and not builder.inputs:
        message = "the first input cannot be optional: it gives the batch size"
        raise fail("E0214", message, statement.default.span, "the first input", "remove `= zeros`")
