"""`@loss` above an emit: the kind of the loss and a weight for each exit."""

from __future__ import annotations

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.records import dataclass
from itc_dsl import ast
from itc_dsl.lowering.scope import Scope
from itc_dsl.lowering.values import Items, LoopContext, Varying, describe, is_number
from itc_dsl.signature import suggest

#: The kinds of losses, each defined in docs/language.md.
LOSSES = ("cross_entropy", "mse", "l1", "huber", "bce", "kl")
HELP = "`@loss(cross_entropy, weight=1, target=label)`"


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of an output; no kind means no training, no target means the name of the output."""

    kind: str = ""
    weights: tuple[float, ...] = (1.0,)
    target: str = ""


def loss_of(scope: Scope, statement: ast.Emit, frame: LoopContext | None) -> Loss:
    """The loss of an output from `@loss` (E0217, E0304)."""
    annotation = next((a for a in statement.annotations if a.name.text == "loss"), None)
    if annotation is None:
        return Loss()
    kind, target = "", ""
    weights: tuple[float, ...] = (1.0,)
    for argument in annotation.arguments:
        match argument.name and argument.name.text:
            case None if not kind:
                kind = _kind(argument.value)
            case "weight":
                weights = _weights(scope, argument.value, frame)
            case "target":
                target = _target(argument.value)
            case _:
                raise fail("E0217", "`@loss` has no such argument", argument.span, "not understood", HELP)
    if not kind:
        raise fail("E0217", "`@loss` needs the kind of the loss", annotation.span, "no kind", HELP)
    return Loss(kind, weights, target)


def _target(value: ast.Expr) -> str:
    """The name of the target in the data set."""
    if isinstance(value, ast.Name):
        return value.text
    help = "write `target=label`; without it the target has the name of the output"
    raise fail("E0217", "`target` must be a name", value.span, "not a name", help)


def _kind(value: ast.Expr) -> str:
    if isinstance(value, ast.Name) and value.text in LOSSES:
        return value.text
    help, edit = suggest(value, LOSSES) if isinstance(value, ast.Name) else ("", None)
    help = help or f"losses are: {', '.join(LOSSES)}"
    raise CompileError(
        [Diagnostic("E0304", "unknown loss", Label(value.span, "not one of them"), help=help, edit=edit)]
    )


def _weights(scope: Scope, expr: ast.Expr, frame: LoopContext | None) -> tuple[float, ...]:
    """One weight for all exits, or one for each: a number, a list, or an expression in `iteration`."""
    outside, scope.loop = scope.loop, frame
    try:
        value = scope.value(expr)
    finally:
        scope.loop = outside
    exits = len(frame.reach) if frame else 1
    match value:
        case Varying(values=values) if frame:
            found = [values[n - 1].item() for n in frame.reach]
        case Items(items=items):
            found = list(items)
        case _:
            found = [value]
    if len(found) not in (1, exits):
        raise fail("E0217", f"{len(found)} weights for {exits} exits", expr.span, "one, or one for each exit")
    for weight in found:
        if not is_number(weight) or weight < 0:
            raise fail(
                "E0217", "a weight must be a number that is not negative", expr.span, f"here is {describe(weight)}"
            )
    if not any(found):
        raise fail("E0217", "all weights are 0", expr.span, "no training", "remove `@loss`")
    return tuple(float(weight) for weight in found)
