"""Elaborates arithmetic operators of tensors with tensors, numbers and tables."""

from __future__ import annotations

import math
from itertools import permutations

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir import Op, Operand, RuleError, TensorType, Value
from itc.ir.ops.pointwise import Add, Affine, Div, Mul, Sub
from itc.ir.ops.rearrange import Broadcast
from itc.ir.ops.shape import Fill
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.scope import Scope
from itc_dsl.lowering.tables import as_tensor, only_number, reached
from itc_dsl.lowering.values import Varying, describe, is_number, is_tensor
from itc_dsl.lowering.widths import mended, width_edit

TENSOR_OPERATIONS: dict[str, type[Op]] = {"+": Add, "-": Sub, "*": Mul, "/": Div}
#: Number of axes of a map, which can be resized.
MAP = 3
VERBS = {"+": "adds", "-": "subtracts", "*": "multiplies", "/": "divides", "and": "joins", "or": "joins"}
#: Wording of operators in messages.
JOINTS = {"+": "to", "-": "from", "*": "with", "/": "by"}
#: Operators of which a message names the left side last.
REVERSED = "+-"
#: Replacements for operators not defined on tensors.
INSTEAD = {
    "**": "multiply: `x * x`; or `exp(y * log(x))`",
    "//": "use `/` for tensors",
    "%": "tensors have no remainder",
}


def tensors(scope: Scope, expr: ast.Binary, left: object, right: object) -> Value:
    """`+`, `-`, `*`, `/` with at least one tensor. Raises CompileError (E0301-E0303, E0307)."""
    symbol = expr.operator.text
    left, right = only_number(left), only_number(right)
    if symbol not in TENSOR_OPERATIONS or not (_operand(left) and _operand(right)):
        raise unfit(expr, left, right)
    if isinstance(left, Value) and isinstance(right, Value):
        fits(scope, expr, left, right)
        return applied(scope, TENSOR_OPERATIONS[symbol](), [left, right], expr.span)
    if isinstance(left, Value):
        return with_right(scope, expr, left, right)
    assert isinstance(right, Value)
    return with_left(scope, expr, left, right)


def _operand(value: object) -> bool:
    numbers = isinstance(value, Varying) and value.values.dtype != bool
    return is_tensor(value) or is_number(value) or numbers


def with_right(scope: Scope, expr: ast.Binary, tensor: Value, other: object) -> Value:
    """A tensor with a number or a table on the right."""
    if isinstance(other, Varying):
        if expr.operator.text == "/" and not reached(other).all():
            raise fail("E0307", "division by zero", expr.right.span, "zero in some iteration")
        table = as_tensor(scope, other, tensor, expr.span)
        return applied(scope, TENSOR_OPERATIONS[expr.operator.text](), [tensor, table], expr.span)
    assert isinstance(other, int | float)
    match expr.operator.text:
        case "+":
            return affine(scope, tensor, 1.0, float(other), expr.span)
        case "-":
            return affine(scope, tensor, 1.0, -float(other), expr.span)
        case "*":
            return affine(scope, tensor, float(other), 0.0, expr.span)
    if other == 0 or not math.isfinite(1 / other):
        raise fail("E0307", "division by zero", expr.span, f"the tensor is divided by {other}")
    return affine(scope, tensor, 1 / other, 0.0, expr.span)


def with_left(scope: Scope, expr: ast.Binary, other: object, tensor: Value) -> Value:
    """A number or a table with a tensor on the right; commutative operators are swapped."""
    symbol = expr.operator.text
    if symbol in "+*":
        return with_right(scope, expr, tensor, other)
    if isinstance(other, Varying):
        table = as_tensor(scope, other, tensor, expr.span)
        return applied(scope, TENSOR_OPERATIONS[symbol](), [table, tensor], expr.span)
    assert isinstance(other, int | float)
    if symbol == "-":
        return affine(scope, tensor, -1.0, float(other), expr.span)
    channels = tensor.tensor.channels if tensor.tensor.shape else 1
    dividend = applied(scope, Fill(channels, float(other)), [tensor], expr.left.span)
    return applied(scope, Div(), [dividend, tensor], expr.span)


def affine(scope: Scope, tensor: Value, factor: float, offset: float, span: Span) -> Value:
    """`tensor * factor + offset`; the tensor itself if that is the identity."""
    if (factor, offset) == (1.0, 0.0):
        return tensor
    return applied(scope, Affine(factor, offset), [tensor], span)


def applied(scope: Scope, op: Op, operands: list[Operand], span: Span) -> Value:
    """The operation of an operator (E0302 for invalid element types)."""
    try:
        return scope.lowering.apply(op, operands, span, scope.origin(span))
    except RuleError as error:
        message = error.message.replace(f"`{op.name}`", "arithmetic")
        raise fail("E0302", message, span, "not possible", error.help) from None


def unfit(expr: ast.Binary, left: object, right: object) -> CompileError:
    symbol = expr.operator.text
    message = f"`{symbol}` does not take {describe(left)} and {describe(right)}"
    labels = tuple(Label(e.span, describe(v)) for e, v in ((expr.left, left), (expr.right, right)))
    return CompileError([Diagnostic("E0307", message, Label(expr.operator.span), labels, INSTEAD.get(symbol, ""))])


def fits(scope: Scope, expr: ast.Binary, left: Value, right: Value) -> None:
    """Raises CompileError (E0301) for two tensors of different types, with the sources of both."""
    if left.type == right.type:
        return
    symbol = expr.operator.text
    maps = len(left.tensor.shape) == len(right.tensor.shape) > 0 and left.tensor.dtype == right.tensor.dtype
    by_channels = maps and left.tensor.channels != right.tensor.channels
    shown = [_shown(value.tensor, by_channels) for value in (left, right)]
    first, second = shown[::-1] if symbol in REVERSED else shown
    verb, joint = VERBS.get(symbol, "compares"), JOINTS.get(symbol, "with")
    message = f"`{symbol}` {verb} {first} {joint} {second.removesuffix(' channels')}"
    labels = [Label(e.span, f"{_name(e)} has {text}") for e, text in zip((expr.left, expr.right), shown, strict=True)]
    labels += origins(scope, ((expr.left, left), (expr.right, right)))
    help, edit = _widened(expr, left, right) if by_channels else _reshaped(expr, left, right)
    raise CompileError([Diagnostic("E0301", message, Label(expr.operator.span), tuple(labels), help, edit)])


def _widened(expr: ast.Binary, left: Value, right: Value) -> tuple[str, Edit | None]:
    """A help for maps of different widths, with an edit if a number in the text determines one of them."""
    help = "give both the same width"
    for side, own, other in ((expr.right, right, left), (expr.left, left, right)):
        edit = width_edit(side, own.tensor.channels, other.tensor.channels)
        if edit:
            return f"{help}: `{mended(side, edit)}`", edit
    return help, None


def _reshaped(expr: ast.Binary, left: Value, right: Value) -> tuple[str, Edit | None]:
    """A help for tensors of different shapes, with an edit if one can be broadcast to the shape of a variable."""
    for (small, own), (large, other) in permutations(((expr.left, left), (expr.right, right))):
        if _broadcasts(own.tensor, other.tensor):
            named = isinstance(large, ast.Name) and "\n" not in small.span.text
            text = f"broadcast({small.span.text}, like={large.span.text})" if named else "broadcast(x, like=y)"
            return f"there is no implicit broadcasting: write `{text}`", Edit(small.span, text) if named else None
    if left.tensor.dtype != right.tensor.dtype:
        return f"convert both to one element type: `cast(x, {left.tensor.dtype})`", None
    maps = len(left.tensor.shape) == len(right.tensor.shape) >= MAP
    return "convert both to the same shape" + (": `resize(x, like=y)`" if maps else ""), None


def _broadcasts(small: TensorType, large: TensorType) -> bool:
    try:
        return Broadcast().result_types(small, large) == (large,)
    except RuleError:
        return False


def _shown(type: TensorType, by_channels: bool) -> str:
    return f"{type.channels} channels" if by_channels else str(type)


def _name(expr: ast.Expr) -> str:
    text = expr.span.text
    return f"`{text}`" if len(text) <= 24 and "\n" not in text else "this"


def origins(scope: Scope, operands: tuple[tuple[ast.Expr, Value], ...]) -> list[Label]:
    """Labels with the sources of operands that are variables."""
    labels = []
    for expr, value in operands:
        origin = scope.lowering.origins.get(value.name)
        if isinstance(expr, ast.Name | ast.Index) and origin and origin != expr.span:
            labels.append(Label(origin, f"`{expr.span.text}` comes from here"))
    return labels
