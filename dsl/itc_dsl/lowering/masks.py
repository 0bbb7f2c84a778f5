"""Elaborates tied dropout: one mask, drawn before the outermost loop, is multiplied in the body."""

from __future__ import annotations

from itc.diagnostics import fail
from itc.ir import Apply, Op, Operand, TensorType, Value
from itc.ir.ops.cast import Cast
from itc.ir.ops.pointwise import Dropout, Mul
from itc.ir.ops.rearrange import Reshape
from itc.ir.ops.shape import Fill
from itc.source import Span
from itc_dsl.lowering.scope import Scope


def tied_dropout(scope: Scope, op: Dropout, x: Value, span: Span) -> Value:
    """`x` times a mask that is equal in all iterations of the enclosing loops (E0302 without inputs).

    At inference the mask is ones.
    """
    lowering = scope.lowering
    if not lowering.around:
        return lowering.apply(op, [x], span, scope.origin(span))
    if not lowering.builder.inputs:
        raise fail("E0302", "`tied` dropout needs an `input` before it", span, "no input so far")
    mask: Operand = lowering.builder.inputs[0]
    for step in _mask(lowering.builder.inputs[0].tensor, x.tensor, op):
        mask = _before_loops(scope, step, mask, span)
    return lowering.apply(Mul(), [x, mask], span, scope.origin(span))


def _mask(source: TensorType, type: TensorType, op: Dropout) -> list[Op]:
    """The operations of a mask of `type`: dropout of ones; any input gives the batch size."""
    ones: list[Op] = [Reshape((source.size,)), Fill(type.size, 1.0)]
    cast: list[Op] = [Cast(type.dtype)] if source.dtype != type.dtype else []
    return [*ones, *cast, Reshape(type.shape), op]


def _before_loops(scope: Scope, op: Op, operand: Operand, span: Span) -> Value:
    """Adds an operation at the top level: at its end so far, or before the loop of the current exit."""
    lowering = scope.lowering
    with lowering.builder.body() as made:
        result = lowering.apply(op, [operand], span, scope.origin(span))
    assert all(isinstance(statement, Apply) for statement in made)
    last = lowering.last_loop
    if last is not None and last.loop.var == lowering.around[0].var:
        lowering.statements[last.position : last.position] = made
        last.position += len(made)
    else:
        lowering.statements.extend(made)
    return result
