"""Elaborates calls and pipes: resolves the callee, binds arguments and elaborates the body of a block."""

from __future__ import annotations

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc_dsl import ast
from itc_dsl.checker.names import data_in_loop, output_outside
from itc_dsl.lowering.builtins import call_builtin
from itc_dsl.lowering.expressions import global_value, variable
from itc_dsl.lowering.loops import run_loop, sharing_axis
from itc_dsl.lowering.operations import Piped, call_operation, given_value
from itc_dsl.lowering.scope import Scope, evaluates, executes, exhausted
from itc_dsl.lowering.values import BlockRef, Broken, BuiltinRef, Callee, OperationRef, Stop, describe
from itc_dsl.program import Defined
from itc_dsl.signature import bind, of_block, of_builtin

MAX_CALLS = 64


@evaluates(ast.Call)
def call_expression(scope: Scope, call: ast.Call) -> object:
    return call_with(scope, call, None)


@evaluates(ast.Pipe)
def pipe(scope: Scope, expr: ast.Pipe) -> object:
    value, span = scope.value(expr.first), expr.first.span
    for stage in expr.stages:
        scope.lowering.enter(stage.span)
        value = call_with(scope, stage, Piped(value, span))
        scope.lowering.depth -= 1
        span = stage.span
    return value


def call_with(scope: Scope, call: ast.Call, piped: Piped | None) -> object:
    """The value of a call; `piped` is the piped value, if any."""
    segment = (scope.lowering.program.segments[call], *scope.indices)
    match callee(scope, call.callee):
        case BlockRef(defined=defined):
            return call_block(scope, defined, call, piped, segment)
        case OperationRef(name=name):
            return call_operation(scope, name, call, piped, segment)
        case BuiltinRef(name=name):
            return builtin(scope, name, call, piped)


def callee(scope: Scope, name: ast.Ident) -> Callee:
    """The callee of a name: a callable variable, else the block or operation of that name (E0213)."""
    value = scope.names.get(name.text)
    if isinstance(value, Broken):
        raise Stop
    if isinstance(value, Callee):
        return value
    found = global_value(scope.unit, name.text)
    if found is not None:
        return found
    shown = describe(variable(scope, ast.Name(name.span, name.text), value))
    raise fail("E0213", f"`{name.text}` cannot be called", name.span, f"this is {shown}")


def builtin(scope: Scope, name: str, call: ast.Call, piped: Piped | None) -> object:
    bound, faults = bind(of_builtin(name), call, piped is not None)
    if faults:
        raise CompileError(faults)
    signature = of_builtin(name)
    exprs = [expr for parameter in signature.parameters for expr in bound.get(parameter.name, ())]
    values = [given_value(scope, expr, piped) for expr in exprs]
    value = call_builtin(scope, name, values, exprs, call.span)
    if name != "identity":
        scope.lowering.spend(call.span, *values, value)
    return value


def call_block(scope: Scope, defined: Defined, call: ast.Call, piped: Piped | None, segment: tuple[str, ...]) -> object:
    """The results of a block or loop. Raises Stop if they depend on errors in its body."""
    block = defined.definition
    assert isinstance(block, ast.Block)
    allowed(scope, block, call)
    inner = entered(scope, defined, block, call, segment)
    arguments(scope, inner, block, call, piped)
    scope.lowering.open_blocks.append(block)
    try:
        if block.kind == "iterative":
            return run_loop(inner, block, call.span)
        inner.run(block.body)
    finally:
        scope.lowering.open_blocks.pop()
    if isinstance(inner.result, Broken):
        raise Stop
    if not inner.returned:
        raise fail("E0214", f"`{block.name.text}` returned nothing", call.span, "this call")
    return inner.result


def allowed(scope: Scope, block: ast.Block, call: ast.Call) -> None:
    """Checks that the block may be called here (E0206, E0406, E0414), for calls through arguments."""
    if block.kind == "output" and not scope.emitting:
        raise CompileError([output_outside(call.callee, block)])
    if block.kind == "data" and scope.lowering.around:
        raise CompileError([data_in_loop(call.callee, block)])
    if block in scope.lowering.open_blocks:
        message = f"`{block.name.text}` calls itself through an argument"
        raise CompileError([Diagnostic("E0206", message, Label(call.span, "closes the circle"))])
    if len(scope.lowering.open_blocks) >= MAX_CALLS:
        raise exhausted("E0392", f"calls nest deeper than {MAX_CALLS}", call.span)


def entered(scope: Scope, defined: Defined, block: ast.Block, call: ast.Call, segment: tuple[str, ...]) -> Scope:
    """The scope of a block's body, without its arguments."""
    inner = Scope(scope.lowering, defined.unit, block, path=scope.path + segment, axes=scope.axes, shared=scope.shared)
    inner.call = call.span if call.span.source is scope.lowering.source else scope.call
    if block.kind == "block" and _shares_calls(block):
        inner.path, inner.axes, inner.shared = (block.name.text,), (), True
    if block.kind == "output" and scope.exits is not None:
        inner.loop = scope.exits.frame
        inner.axes = (*scope.axes[:-1], sharing_axis(inner, block, scope.exits.frame))
    return inner


def _shares_calls(block: ast.Block) -> bool:
    return any(annotation.name.text == "share" for annotation in block.annotations)


def arguments(scope: Scope, inner: Scope, block: ast.Block, call: ast.Call, piped: Piped | None) -> None:
    """Binds the parameters of a block: arguments in the caller's scope, then defaults in the block's."""
    bound, faults = bind(of_block(block), call, piped is not None)
    if faults:
        raise CompileError(faults)
    for name, (expr,) in bound.items():
        inner.names[name] = given_value(scope, expr, piped)
        inner.arguments[name] = expr.span if expr else piped.span if piped else call.span
    for param in block.params:
        if param.name.text not in inner.names:
            assert param.default
            inner.names[param.name.text] = inner.value(param.default)


@executes(ast.Return)
def return_(scope: Scope, statement: ast.Return) -> None:
    scope.result = scope.value(statement.value)
    scope.returned = True
