"""Elaborates one network of a checked program into a verified net of the IR."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from itc.diagnostics import CompileError, fail
from itc.ir import Builder, Net, verify
from itc_dsl import ast
from itc_dsl.checker import Program, in_order
from itc_dsl.lowering.expressions import global_value
from itc_dsl.lowering.given_weights import without_given
from itc_dsl.lowering.scope import MAX_DEPTH, Budget, Exhausted, Lowering, Scope, Trace
from itc_dsl.lowering.values import BROKEN, Stop
from itc_dsl.settings import Chosen

#: Maximum Python frames per level of elaboration, and frames of the caller.
FRAMES_PER_LEVEL = 12


def lower(program: Program, chosen: Chosen, budget: Budget | None = None, trace: Trace | None = None) -> Net:
    """The net of a network under its settings. Raises CompileError with all independent errors.

    Networks with the same `budget` share the limit of elaboration steps. A `trace` is filled in spite of errors.
    """
    lowering = Lowering(program, chosen, Builder(chosen.name), budget=budget or Budget(), trace=trace)
    if trace:
        lowering.origins = trace.origins
    network = chosen.network
    scope = Scope(lowering, program.main, network)
    with _deep_recursion(), lowering.builder.body() as statements:
        lowering.statements = statements
        try:
            _parameters(scope)
            scope.run(network.body)
        except Exhausted as error:
            lowering.faults.extend(error.diagnostics)
    faults = lowering.faults or lowering.unused
    if faults:
        raise CompileError(in_order(faults, program.main.module))
    for statement in without_given(lowering, statements):
        lowering.builder.add(statement)
    if not lowering.outputs:
        raise fail("E0416", f"the network `{chosen.name}` has no output", network.name.span, "no `emit` is reached")
    return verify(lowering.builder.net([*lowering.outputs, *lowering.halted.values()], network.span))


def _parameters(scope: Scope) -> None:
    """Binds the network's parameters to settings or defaults, in order."""
    lowering = scope.lowering
    for param in scope.definition.params:
        override = lowering.chosen.values.get(param.name.text)
        try:
            value = _set(scope, override.value, param) if override else scope.value(_default(param))
        except Exhausted:
            raise
        except CompileError as error:
            for diagnostic in error.diagnostics:
                lowering.fault(diagnostic)
            value = BROKEN
        except Stop:
            value = BROKEN
        scope.names[param.name.text] = value


def _default(param: ast.Param) -> ast.Expr:
    assert param.default, "settings have been chosen"
    return param.default


def _set(scope: Scope, value: ast.Expr, param: ast.Param) -> object:
    """The value of a setting, without access to parameters; a bare word is a string if the default is one."""
    if isinstance(value, ast.Name) and isinstance(param.default, ast.Text):
        return value.text
    if isinstance(value, ast.Name):
        return global_value(scope.unit, value.text)
    return Scope(scope.lowering, scope.unit, scope.definition).value(value)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Raises Python's recursion limit as needed for the nesting limit."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, MAX_DEPTH * FRAMES_PER_LEVEL + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
