"""Checks shared by the type rules of operations; each raises RuleError for invalid operands or attributes."""

from __future__ import annotations

from collections.abc import Sequence

from itc.ir.op import Array, Op, RuleError
from itc.ir.types import FLOATS, TensorType


def check_arity(op: Op, count: int) -> None:
    """Raises RuleError unless `op` takes `count` operands."""
    least, most = op.arity
    if not least <= count <= most:
        takes = str(least) if least == most else f"{least} to {most:,}"
        raise RuleError(f"`{op.name}` takes {takes} operands, not {count:,}")


#: The conversion of a map to tokens.
TOKENS_OF_A_MAP = "convert its pixels to tokens: `transpose(reshape(x, [channels(x), -1]))`"


def needs(rank: int, type: TensorType, what: str, operand: int = 0) -> None:
    """Raises RuleError unless `type` has at least `rank` axes."""
    if len(type.shape) < rank:
        raise RuleError(f"`{what}` needs {_rank_name(rank)}, not {type}", operand)


def _rank_name(rank: int) -> str:
    if rank == 3:
        return "a map (channels, height, width)"
    return "tokens (tokens, channels)" if rank == 2 else f"a tensor of {rank} or more axes"


def no_maps(what: str, *types: TensorType, help: str = TOKENS_OF_A_MAP) -> None:
    """Raises RuleError for the first map: its channels are not the last axis, over which `what` operates."""
    for position, type in enumerate(types):
        if type.shape and type.channel_axis != -1:
            message = f"`{what}` operates on the last axis, which is not the channel axis of the map {type}"
            raise RuleError(message, position, help=help)


def needs_float(what: str, *types: TensorType) -> None:
    """Raises RuleError for the first operand that is not floating-point, or not of the first operand's element type."""
    for position, type in enumerate(types):
        if type.dtype not in FLOATS:
            help = "convert it: cast(x, f32)"
            raise RuleError(f"`{what}` computes with floating-point numbers, not with {type}", position, help=help)
        if type.dtype != types[0].dtype:
            raise RuleError(f"`{what}` of {types[0].dtype} and {type.dtype}", position, 0)


def needs_floats_or_i8(what: str, *types: TensorType) -> None:
    """Raises RuleError unless the operands are floating-point, or x and the weight are i8 and there is no bias."""
    if [type.dtype for type in types] != ["i8", "i8"]:
        needs_float(what, *types)


def sums_of(type: TensorType) -> TensorType:
    """The type of sums of products of such elements: i32 for i8, else their own."""
    return TensorType("i32", type.shape) if type.dtype == "i8" else type


def needs_norm_params(what: str, x: TensorType, *params: TensorType) -> None:
    """Raises RuleError unless `x` is floating-point, and the parameters have its element type or f32."""
    needs_float(what, x)
    for position, param in enumerate(params, start=1):
        if param.dtype not in (x.dtype, "f32"):
            raise RuleError(f"`{what}` of {x.dtype} and {param.dtype}", position, 0)


def needs_integer(what: str, type: TensorType, operand: int) -> None:
    """Raises RuleError unless the operand is an integer tensor."""
    if type.dtype not in ("i64", "i32"):
        raise RuleError(f"`{what}` takes integers (i64 or i32) here, not {type}", operand)


def needs_param(what: str, operands: Sequence[TensorType], position: int, shape: tuple[int, ...]) -> None:
    """Raises RuleError unless the parameter at `position`, if any, has this shape."""
    if position < len(operands) and operands[position].shape != shape:
        actual = list(operands[position].shape)
        raise RuleError(f"`{what}` of {operands[0]} has a parameter {list(shape)}, not {actual}", 0, position)


#: The meanings of attributes with short names.
MEANINGS = {"out": " (channels of the result)", "count": " (number of rows or boxes)"}


def at_least(bound: float, attribute: str, value: float | Sequence[float]) -> None:
    """Raises RuleError unless an attribute, or each of its numbers, is `bound` or more."""
    for number in value if isinstance(value, Sequence) else (value,):
        if not number >= bound:
            meaning = MEANINGS.get(attribute, "")
            raise RuleError(f"`{attribute}`{meaning} is {number}, it must be at least {bound}", attribute=attribute)


def at_most(bound: float, attribute: str, value: float) -> None:
    """Raises RuleError for an absolute value above `bound`, so that initial weights are finite in float32."""
    if not abs(value) <= bound:
        message = f"`{attribute}` is {value:g}; beyond ±{bound:.4g}, weights are not finite in float32"
        raise RuleError(message, attribute=attribute)


def axis_of(type: TensorType, axis: int, attribute: str = "axis") -> int:
    """The position, from the front, of an axis that counts from the end (negative); 0 stands for the channels.

    Raises RuleError if the tensor has no such axis.
    """
    counted = axis or type.channel_axis
    if counted >= 0 or -counted > len(type.shape):
        raise RuleError(f"{type} has no axis {counted}", attribute=attribute)
    return len(type.shape) + counted


def channels_or(x: TensorType, axis: int | None) -> int:
    """The attribute for an axis of a spec, which counts from either end; None stands for the channels."""
    if axis is None:
        return 0
    if not -len(x.shape) <= axis < len(x.shape):
        help = f"its axes are 0 to {len(x.shape) - 1}, or -1 to -{len(x.shape)}" if x.shape else ""
        raise RuleError(f"{x} has no axis {axis}", attribute="axis", help=help)
    from_end = axis if axis < 0 else axis - len(x.shape)
    return 0 if from_end == x.channel_axis else from_end


def array_axis(array: Array, axis: int) -> int:
    """The axis, counted from the end, of an array with a batch axis for an `axis` attribute (0: the channels)."""
    return axis or (-3 if array.ndim >= 4 else -1)
