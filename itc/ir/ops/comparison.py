"""Comparisons of tensors, and choices by their results: masks are tensors of booleans."""

from __future__ import annotations

import numpy as np

from itc.ir.op import MAX_FLOAT, Array, Layer, Op, RuleError, layer, operation
from itc.ir.ops.pointwise import Binary, mismatch
from itc.ir.ops.rectifier import Clamp, finite
from itc.ir.types import FLOATS, TensorType
from itc.records import dataclass

#: The largest magnitude of the number beside a tensor, by element type; of i64, float64 is exact up to it.
MAGNITUDES = {"f32": MAX_FLOAT, "f16": 65504, "i64": 2**53, "i32": 2**31 - 1, "i8": 127, "bool": 1}
RELATIONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip


def check_number(what: str, type: TensorType, number: float) -> None:
    """Raises RuleError for a number that the element type of a tensor cannot represent."""
    if not abs(number) <= MAGNITUDES[type.dtype] or (type.dtype not in FLOATS and number != int(number)):
        raise RuleError(f"`{what}` of {type} and the number {number:g}, which is no {type.dtype}", 0)


@operation
@dataclass(frozen=True)
class Compare(Op):
    """Whether the relation holds of each element with that of a second tensor of the same type, or with `number`."""

    name = "compare"
    arity = (1, 2)
    pointwise = True
    relation: str = "eq"
    number: float = 0.0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x = operands[0]
        if self.relation not in RELATIONS:
            raise RuleError(f"`{self.relation}` is not one of {', '.join(RELATIONS)}", attribute="relation")
        if x.dtype == "bool" and self.relation not in ("eq", "ne"):
            raise RuleError("booleans have no order", 0, help="compare them with `==` or `!=`")
        if len(operands) == 1:
            check_number("compare", x, self.number)
        elif operands[1] != x:
            raise RuleError(mismatch("compare", *operands), 1, 0)
        return (TensorType("bool", x.shape),)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, *others = operands
        floating = np.issubdtype(x.dtype, np.floating)
        other = others[0] if others else np.asarray(self.number, x.dtype if floating else None)
        return (np.asarray(RELATIONS[self.relation](x, other)),)


@operation
@dataclass(frozen=True)
class Where(Op):
    """Elements of one tensor where a mask is true, of another of the same type where it is false.

    Operands: the mask, then those of the two that are tensors; the other is the number `then` or `otherwise`.
    """

    name = "where"
    arity = (2, 3)
    pointwise = True
    then: float | None = None
    otherwise: float | None = None

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        mask, x, *others = operands
        numbers = [number for number in (self.then, self.otherwise) if number is not None]
        if len(operands) + len(numbers) != self.arity[1]:
            raise RuleError(
                f"`where` chooses between two tensors, or a tensor and a number, not {len(operands) - 1}", 0
            )
        if mask.dtype != "bool":
            raise RuleError(f"`where` chooses by booleans, not by {mask}", 0, help="compare: `x > 0`")
        for position, other in enumerate(others, start=2):
            if other != x:
                raise RuleError(mismatch("where", x, other), position, 1)
        if mask.shape != x.shape:
            help = "there is no implicit broadcasting: `broadcast(mask, like=x)`"
            raise RuleError(f"`where` chooses from {x} by a mask {mask}", 0, 1, help=help)
        for number in numbers:
            check_number("where", x, number)
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        mask, *tensors = operands
        dtype = tensors[0].dtype
        then, otherwise = (
            tensors.pop(0) if number is None else np.asarray(number, dtype) for number in (self.then, self.otherwise)
        )
        return (np.where(mask, then, otherwise),)


@operation
@dataclass(frozen=True)
class Minimum(Binary):
    """Element-wise minimum; of booleans, whether both are true."""

    name = "minimum"
    booleans = True

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.minimum(operands[0], operands[1]),)


@operation
@dataclass(frozen=True)
class Maximum(Binary):
    """Element-wise maximum; of booleans, whether one is true."""

    name = "maximum"
    booleans = True

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (np.maximum(operands[0], operands[1]),)


@layer
def where(mask: TensorType, then: TensorType | float, otherwise: TensorType | float) -> Layer:
    """`then` where `mask` is true, `otherwise` elsewhere: tensors of the mask's shape, of which one may be a number.

    Masks are results of `<`, `<=`, `>`, `>=`, `==` and `!=`, or inputs of type `bool`.
    """
    numbers = [None if isinstance(side, TensorType) else float(side) for side in (then, otherwise)]
    if None not in numbers:
        help = f"convert the mask: `cast(mask, f32) * {then} + ...`"
        raise RuleError("`where` of two numbers has no element type", attribute="then", help=help)
    return Layer(Where(*numbers))


@layer
def minimum(a: TensorType | float, b: TensorType | float) -> Layer:
    """Element-wise minimum of two tensors of equal shape, or of a tensor and a number."""
    return _extreme(Minimum(), a, b, upper=True)


@layer
def maximum(a: TensorType | float, b: TensorType | float) -> Layer:
    """Element-wise maximum of two tensors of equal shape, or of a tensor and a number."""
    return _extreme(Maximum(), a, b, upper=False)


def _extreme(op: Op, a: TensorType | float, b: TensorType | float, upper: bool) -> Layer:
    """The operation of two tensors, or a clamp from one side; numbers have `min` and `max`."""
    if isinstance(a, TensorType) and isinstance(b, TensorType):
        return Layer(op)
    if not isinstance(a, TensorType) and not isinstance(b, TensorType):
        help = f"write `{'min' if upper else 'max'}({a:g}, {b:g})`"
        raise RuleError(f"`{op.name}` of two numbers", attribute="a", help=help)
    ((name, bound),) = ((name, side) for name, side in (("a", a), ("b", b)) if not isinstance(side, TensorType))
    bound = finite(name, bound)
    return Layer(Clamp(upper=bound) if upper else Clamp(lower=bound))
