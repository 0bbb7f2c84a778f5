"""Elaborates `halt` and `@halt` into the `Halt` of a loop, and outputs of the net."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from math import isfinite

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir import Body, Emit, Halt, Loop, Output, TensorType, Type, Value
from itc.ir.verifier import aligned
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.scope import OpenLoop, Scope, executes
from itc_dsl.lowering.values import Broken, Stop, describe, is_number, is_tensor
from itc_dsl.sharing import Halting, halting_of

#: Defaults of `@halt(act)`: the epsilon of Graves (2016), and a ponder weight from the range used there.
EPSILON = 0.01
PONDER = 0.001
FLOATS = ("f32", "f16")


@executes(ast.Halt)
def halt(scope: Scope, statement: ast.Halt) -> None:
    """Records the score; the checker ensures that it is directly in an iterative body, once."""
    value, span = scope.value(statement.value), statement.value.span
    if not isinstance(value, Value) or not is_tensor(value):
        help = "compute one number per image: `global_pool(x) |> linear(1) |> sigmoid`"
        raise fail("E0420", "a halting score must be a tensor", span, f"this is {describe(value)}", help)
    if value.tensor.dtype not in FLOATS:
        raise fail("E0420", "a halting score must be floating-point", span, f"this is {value.type}")
    scope.score = value


def halt_of(scope: Scope, block: ast.Block, carries: Sequence[tuple[ast.Param, Value]], body: Body) -> Halt | None:
    """The `Halt` of a block's loop. Raises CompileError for an invalid score or numbers (E0217, E0420)."""
    written = halting_of(block)
    if written is None:
        return None
    if scope.score is None:
        raise Stop
    _fits(scope.score, _statement(block), carries, body)
    return Halt(written.kind, scope.score, _limit(scope, written), _ponder(scope, written))


def _statement(block: ast.Block) -> ast.Halt:
    return next(statement for statement in block.body if isinstance(statement, ast.Halt))


def _fits(score: Value, statement: ast.Halt, carries: Sequence[tuple[ast.Param, Value]], body: Body) -> None:
    """Checks that the score is defined in the body, with axes that are 1 or those of every carry."""
    span = statement.value.span
    if score not in made_in(body):
        message = "the halting score is not computed in the iteration"
        help = "compute it in the body, from values of the iteration"
        raise fail("E0420", message, span, "known before the iteration", help)
    for param, value in carries:
        if not aligned(score.type, value.type):
            note = f"starts as {value.type}"
            raise CompileError([_unaligned(score.tensor, span, Label(param.span, note))])


def _unaligned(score: TensorType, span: Span, carry: Label) -> Diagnostic:
    message = "each axis of a halting score must be 1 or the corresponding axis of the carry"
    help = "a score per image is f32[1]: `global_pool(x) |> linear(1)`; a score per pixel is f32[1, h, w]"
    return Diagnostic("E0420", message, Label(span, f"this is {score}"), (carry,), help)


def made_in(body: Body) -> set[Value]:
    """The values defined by the statements of a body."""
    return {value for s in body.statements if not isinstance(s, Emit) for value in s.results}


# Numbers


def _limit(scope: Scope, written: Halting) -> float:
    """The epsilon, or the threshold (E0217)."""
    if written.limit is None:
        return EPSILON
    limit = _number(scope, written.limit)
    if written.kind == "act" and not 0 <= limit < 1:
        help = "an image halts when its scores sum to 1 - epsilon: for example `epsilon=0.01`"
        raise fail(
            "E0217", "`epsilon` must be at least 0 and less than 1", written.limit.span, f"this is {limit:g}", help
        )
    return limit


def _ponder(scope: Scope, written: Halting) -> float:
    """The weight of the ponder cost; only adaptive computation time has one (E0217)."""
    if written.kind != "act":
        return 0.0
    if written.ponder is None:
        return PONDER
    ponder = _number(scope, written.ponder)
    if ponder < 0:
        message = "`ponder` is the weight of a cost, which must not be negative"
        raise fail("E0217", message, written.ponder.span, f"this is {ponder:g}", "write `ponder=0` for no cost")
    return ponder


def _number(scope: Scope, expr: ast.Expr) -> float:
    value = scope.value(expr)
    if isinstance(value, Broken):
        raise Stop
    if isinstance(value, int | float) and is_number(value) and isfinite(value):
        return float(value)
    raise fail("E0217", "`@halt` takes numbers", expr.span, f"this is {describe(value)}")


# Results of a loop that halts


def result_types(halt: Halt) -> tuple[tuple[str, Type], ...]:
    """Names and types of the halting results: the number of iterations and, under `act`, the remainder."""
    names = ("iterations", "remainder") if halt.kind == "act" else ("iterations",)
    return tuple((name, halt.score.type) for name in names)


def hand_out(scope: Scope, loop: Loop) -> None:
    """Adds outputs `KEY.iterations` and `KEY.remainder`; KEY is the path of the call, with `_n` for the n-th."""
    if loop.halt is None:
        return
    outputs = scope.lowering.halted
    key = ".".join(scope.path)
    keys = (key if n == 1 else f"{key}_{n}" for n in count(1))
    free = next(key for key in keys if f"{key}.iterations" not in outputs)
    named = zip(result_types(loop.halt), loop.halt_results, strict=True)
    outputs |= {f"{free}.{name}": Output(f"{free}.{name}", value) for (name, _), value in named}


def reject_exits(loop: OpenLoop, statement: ast.Emit) -> None:
    """The diagnostic of exits of a loop that halts (E0421)."""
    if loop.loop.halt is None or statement.at is None:
        return
    edit = Edit(Span(statement.at.span.source, statement.value.span.end, statement.at.span.end), "")
    message = f"the loop `{loop.name}` halts, so it has no exits"
    label = Label(statement.at.span, "images end in different iterations")
    help = "remove `at`: the output is then the value of each image's last iteration"
    raise CompileError([Diagnostic("E0421", message, label, (Label(loop.span, "the loop"),), help, edit)])
