"""Weights that a call is given: a `param` becomes the layer's own parameter, so that several layers can share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir import Apply, Layer, Op, Operand, Statement, Value
from itc.ir.net import Body, Emit, Loop, When, walk
from itc.ir.uses import reads
from itc.source import Span
from itc_dsl.lowering.scope import Lowering, Scope


def given_weights(
    scope: Scope, layer: Layer, tensors: Sequence[tuple[Value, Span]], what: str
) -> tuple[Op, list[Operand]]:
    """The operation of a layer and its operands, with the parameter in place of a given `param` (E0312)."""
    operands: list[Operand] = [value for value, _ in tensors]
    if layer.weight is None:
        return layer.op, operands
    value, span = tensors[layer.weight]
    ref = scope.lowering.parameters.get(value.name)
    if ref is not None:
        scope.lowering.given.add(value.name)
        operands[layer.weight] = ref
        return layer.op, operands
    if layer.computed is not None:
        return layer.computed, operands
    help = "give the result of `param(...)`; for computed tensors: `matmul(x, w, transpose_b=true)`, `take(table, ids)`"
    message = f"the weight of {what} must be a parameter"
    raise CompileError(
        [Diagnostic("E0312", message, Label(span, f"this is a computed tensor, {value.type}"), help=help)]
    )


def without_given(lowering: Lowering, statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements without those that only made a `param` a tensor, of which no element is read."""
    if not lowering.given:
        return tuple(statements)
    read = {value.name for statement in walk(tuple(statements)) for value in reads(statement)}
    read |= {output.value.name for output in lowering.outputs}
    return tuple(_kept(statements, lowering.given - read))


def _kept(statements: Iterable[Statement], unread: set[str]) -> Iterator[Statement]:
    for statement in statements:
        match statement:
            case Apply(results=(result,)) if result.name in unread:
                continue
            case Loop() | Emit():
                yield replace(statement, body=_body(statement.body, unread))
            case When():
                yield replace(
                    statement, body=_body(statement.body, unread), otherwise=_body(statement.otherwise, unread)
                )
            case _:
                yield statement


def _body(body: Body, unread: set[str]) -> Body:
    return replace(body, statements=tuple(_kept(body.statements, unread)))
