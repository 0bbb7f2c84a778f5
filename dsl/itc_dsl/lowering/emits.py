"""Elaborates emits: outputs at the end of a network, or at exits of the last loop, with the head in its body."""

from __future__ import annotations

from dataclasses import replace

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir import Emit, IterationSet, Output, SeriesType, Value, close
from itc.ir.types import FLOATS
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.exits import bounded, exits_of
from itc_dsl.lowering.halting import reject_exits
from itc_dsl.lowering.loops import with_emit
from itc_dsl.lowering.losses import loss_of
from itc_dsl.lowering.scope import Axis, Lowering, OpenLoop, Scope, executes
from itc_dsl.lowering.values import Items, LoopContext, Stop, describe, is_tensor, leaves, rebuild
from itc_dsl.sharing import Sharing


@executes(ast.Emit)
def emit(scope: Scope, statement: ast.Emit) -> None:
    lowering = scope.lowering
    name = output_name(lowering, statement)
    exits: IterationSet | None = None
    frame: LoopContext | None = None
    if statement.at is None:
        value = emitted(replace(scope, emitting=True), statement)
        if isinstance(value.type, SeriesType):
            bounded(value.type.count, statement.value)
            exits = IterationSet.span(1, value.type.count)
            frame = LoopContext("", value.type.count, exits)
    else:
        loop = open_loop(lowering, statement)
        exits = exits_of(scope, statement.at, loop)
        frame = LoopContext(loop.loop.var, loop.loop.count, exits)
        value = at_exits(scope, statement, loop, frame, name)
    loss = loss_of(scope, statement, frame)
    if loss.kind:
        _trainable(statement, value)
    target = "" if loss.target == name else loss.target
    lowering.hand_out(Output(name, value, exits, loss.kind, loss.weights, target), statement.span)


def _trainable(statement: ast.Emit, value: Value) -> None:
    """Raises CompileError (E0303) for a loss on an output that is not floating-point."""
    type = value.type.element if isinstance(value.type, SeriesType) else value.tensor
    if type.dtype not in FLOATS:
        help = "put `@loss` above the floating-point output from which this is computed"
        raise fail("E0303", "a loss needs floating-point numbers", statement.value.span, f"this is {type}", help)


def output_name(lowering: Lowering, statement: ast.Emit) -> str:
    """The name of an emit, by default that of its head; names are unique (E0202, E0419)."""
    name = statement.name or _head(statement.value)
    if name is None:
        at = statement.value.span
        edit = Edit(Span(at.source, at.start, at.start), "y = ")
        help = "write `emit name = ...`, as in `emit y = ...`"
        raise CompileError([Diagnostic("E0419", "this output has no name", Label(at, "no call"), help=help, edit=edit)])
    if name.text in lowering.output_spans:
        raise CompileError([_again(name, lowering.output_spans[name.text])])
    lowering.output_spans[name.text] = name.span
    return name.text


def _again(name: ast.Ident, first: Span) -> Diagnostic:
    """The diagnostic of a duplicate output: of another emit, or of the same emit in a `for`."""
    message = f"there are two outputs `{name.text}`"
    if first is name.span:
        help = "the enclosing `for` repeats it: write an `emit` with its own name for each element"
        return Diagnostic("E0202", message, Label(name.span, "repeated by a `for`"), help=help)
    help = "give this output another name: `emit name = ...`"
    return Diagnostic("E0202", message, Label(name.span, "again"), (Label(first, "first here"),), help)


def _head(value: ast.Expr) -> ast.Ident | None:
    match value:
        case ast.Call(callee=callee):
            return callee
        case ast.Pipe(stages=stages):
            return stages[-1].callee
    return None


def emitted(scope: Scope, statement: ast.Emit) -> Value:
    """The tensor of an emit, or the series, if it has no exits (E0303)."""
    value = scope.value(statement.value)
    if isinstance(value, Value) and (is_tensor(value) or statement.at is None):
        return value
    help = "remove `at`: a series has an output for each iteration" if isinstance(value, Value) else ""
    help = "select one: `x[0]`" if isinstance(value, Items) and value.items else help
    raise fail("E0303", "an output is a tensor", statement.value.span, f"this is {describe(value)}", help)


# At exits of a loop


def open_loop(lowering: Lowering, statement: ast.Emit) -> OpenLoop:
    """The loop of the exits: the last before the emit (E0415)."""
    if lowering.last_loop is not None:
        reject_exits(lowering.last_loop, statement)
        return lowering.last_loop
    if lowering.faults:
        raise Stop
    assert statement.at
    help = "call the loop on a line above, `x = loop(x)`; without `at`, `emit` outputs the final value"
    raise fail("E0415", "`at` needs a loop before the `emit`", statement.at.span, "no loop", help)


def at_exits(scope: Scope, statement: ast.Emit, loop: OpenLoop, frame: LoopContext, name: str) -> Value:
    """Adds the head to the loop's body; returns the series of its values, one per exit."""
    lowering = scope.lowering
    axis = Axis(frame, Sharing(), 1, len(scope.path))
    view = _View(lowering, loop, len(lowering.order))
    inner = replace(scope, emitting=True, loop=frame, axes=(axis,), exits=axis, view=view)
    lowering.around.append(frame)
    try:
        with lowering.builder.body() as statements:
            value = emitted(inner, statement)
    finally:
        lowering.around.pop()
    if not view.used:
        message = f"this is equal at every exit: it uses no result of the loop `{loop.name}`"
        help = "use the results of the last loop before it, or remove `at`"
        label = Label(statement.value.span, "loop-invariant")
        raise CompileError([Diagnostic("E0407", message, label, (Label(loop.span, "the last loop"),), help)])
    series = lowering.value(SeriesType(len(frame.reach), value.tensor), name, statement.span)
    body = close(statements, [value])
    loop.loop = with_emit(loop.loop, Emit(frame.var, frame.reach, body, statement.span), series)
    lowering.statements[loop.position] = loop.loop
    return series


class _View:
    """Variables in a head at an exit: results of the loop are the values at the end of the iteration."""

    def __init__(self, lowering: Lowering, loop: OpenLoop, made_until: int) -> None:
        self.lowering = lowering
        self.loop = loop
        self.made_until = made_until
        self.used = False

    def __call__(self, value: object, span: Span) -> object:
        seen = [self.leaf(leaf, span) for leaf in leaves(value)]
        return rebuild(value, iter(seen))

    def leaf(self, value: object, span: Span) -> object:
        if not isinstance(value, Value):
            return value
        if value.name in self.loop.ends:
            self.used = True
            return self.loop.ends[value.name]
        order = self.lowering.order.get(value.name, -1)
        if self.loop.made_before <= order < self.made_until:
            raise CompileError([self.computed_between(value, span)])
        return value

    def computed_between(self, value: Value, span: Span) -> Diagnostic:
        if isinstance(value.type, SeriesType):
            message = "a series of the loop cannot be used at its exits"
            return Diagnostic("E0407", message, Label(span, f"this is {describe(value)}"))
        place = Label(self.lowering.origins[value.name], "computed here, after the loop")
        return Diagnostic(
            "E0407",
            f"this is computed between the loop `{self.loop.name}` and the `emit`, so no exit has it",
            Label(span, "not a result of the loop"),
            (place, Label(self.loop.span, "the loop")),
            "move it into the `output` block, or before the loop if it does not depend on it",
        )
