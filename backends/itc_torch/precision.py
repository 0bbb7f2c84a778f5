"""Operations on f16 and i8: computed by torch in wider elements and rounded once, as `itc.ir.precision` defines it."""

from __future__ import annotations

from collections.abc import Callable

from itc.ir import Op
from itc.ir.ops.cast import Cast
from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.pointwise import Detach
from itc.ir.ops.rearrange import Broadcast, Reshape, Transpose
from itc.ir.ops.shape import Concat, Fill, Stack
from itc.ir.ops.table import Embed, Parameter
from itc.ir.precision import ROUNDED
from itc_torch.expressions import Expr, Ref, call

#: The method of a tensor that converts it to an element type.
METHODS = {"f32": "float", "f16": "half", "i64": "long", "i32": "int", "i8": "char", "bool": "bool"}
#: Operations without arithmetic, which torch has for all element types.
MOVES = (Broadcast, Cast, Concat, Detach, Embed, Fill, Pad, Parameter, Reshape, Select, Slice, Stack, Transpose)


def computed_wide(op: Op, operands: tuple[Ref, ...], lowering: Callable[..., Expr]) -> Expr:
    """The expression of an operation, between conversions if operands are f16 or i8."""
    if isinstance(op, MOVES) or all(operand.type.dtype not in ("f16", "i8") for operand in operands):
        return lowering(op, *operands)
    (result,) = op.result_types(*(operand.type for operand in operands))
    sums = "double" if result.dtype == "i32" else "float"
    expr = lowering(op, *(_wide(operand, sums) for operand in operands))
    return call(METHODS[result.dtype], expr) if result.dtype in ROUNDED else expr


def _wide(operand: Ref, sums: str) -> Ref:
    """An operand in the type in which the operation computes."""
    methods = {"f16": "float", "i8": sums}
    method = methods.get(operand.type.dtype)
    return Ref(call(method, operand), operand.type) if method else operand
