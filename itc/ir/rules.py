"""Rules that operations have in common: each raises RuleError where operands or attributes break it."""

from __future__ import annotations

from collections.abc import Sequence

from itc.ir.op import MANY, Array, Op, RuleError
from itc.ir.types import FLOATS, TensorType


def check_arity(op: Op, count: int) -> None:
    """Raises RuleError unless `op` takes `count` operands."""
    least, most = op.arity
    if not least <= count <= most:
        takes = str(least) if least == most else f"{least} to {most}" if most < MANY else f"{least} or more"
        raise RuleError(f"`{op.name}` takes {takes} operands, not {count}")


#: What makes tokens of a map.
TOKENS_OF_A_MAP = "its places as tokens are `transpose(reshape(x, [channels(x), -1]))`"


def needs(rank: int, type: TensorType, what: str, operand: int = 0) -> None:
    """Raises RuleError unless `type` has at least `rank` axes."""
    if len(type.shape) < rank:
        raise RuleError(f"`{what}` needs {_rank_name(rank)}, not {type}", operand)


def _rank_name(rank: int) -> str:
    if rank == 3:
        return "a map (channels, height, width)"
    return "tokens (tokens, channels)" if rank == 2 else f"a tensor of {rank} or more axes"


def no_maps(what: str, *types: TensorType, help: str = TOKENS_OF_A_MAP) -> None:
    """Raises RuleError for the first type that is a map: its channels are not at the last axis, as `what` has them."""
    for position, type in enumerate(types):
        if type.shape and type.channel_axis != -1:
            message = f"`{what}` is over the last axis, where the map {type} has no channels"
            raise RuleError(message, position, help=help)


def needs_float(what: str, *types: TensorType) -> None:
    """Raises RuleError for the first operand that does not hold floating-point numbers, or not those of the first."""
    for position, type in enumerate(types):
        if type.dtype not in FLOATS:
            help = "convert it: cast(x, f32)"
            raise RuleError(f"`{what}` computes with floating-point numbers, not with {type}", position, help=help)
        if type.dtype != types[0].dtype:
            raise RuleError(f"`{what}` of {types[0].dtype} and {type.dtype}", position, 0)


def needs_integer(what: str, type: TensorType, operand: int) -> None:
    """Raises RuleError unless the operand holds integers."""
    if type.dtype not in ("i64", "i32"):
        raise RuleError(f"`{what}` takes integers (i64 or i32) here, not {type}", operand)


def needs_param(what: str, operands: Sequence[TensorType], position: int, shape: tuple[int, ...]) -> None:
    """Raises RuleError unless the parameter at `position`, if there is one, has this shape."""
    if position < len(operands) and operands[position].shape != shape:
        found = list(operands[position].shape)
        raise RuleError(f"`{what}` of {operands[0]} has a parameter {list(shape)}, not {found}", 0, position)


#: What an attribute says, where its name does not.
MEANINGS = {"out": " (channels of the result)", "count": " (how many there are)"}


def at_least(bound: float, attribute: str, value: float | Sequence[float]) -> None:
    """Raises RuleError unless an attribute, or each of its numbers, is at least `bound`."""
    for number in value if isinstance(value, Sequence) else (value,):
        if not number >= bound:
            meaning = MEANINGS.get(attribute, "")
            raise RuleError(f"`{attribute}`{meaning} cannot be {number}: it is at least {bound}", attribute=attribute)


def at_most(bound: float, attribute: str, value: float) -> None:
    """Raises RuleError for a number beyond `bound` from 0, so that weights start finite in float32."""
    if not abs(value) <= bound:
        message = f"`{attribute}` cannot be {value:g}: beyond {bound:.4g}, weights are not finite in float32"
        raise RuleError(message, attribute=attribute)


def axis_of(type: TensorType, axis: int, attribute: str = "axis") -> int:
    """The position of an axis counted from the end (negative), of which 0 stands for that of the channels.

    Raises RuleError where the tensor has no such axis.
    """
    counted = axis or type.channel_axis
    if counted >= 0 or -counted > len(type.shape):
        raise RuleError(f"{type} has no axis {counted}", attribute=attribute)
    return len(type.shape) + counted


def channels_or(x: TensorType, axis: int | None) -> int:
    """An axis as a spec gives it (None: the channels; else counted from either end) as an attribute of an operation."""
    if axis is None:
        return 0
    if not -len(x.shape) <= axis < len(x.shape):
        help = f"its axes are 0 to {len(x.shape) - 1}, or -1 to -{len(x.shape)}" if x.shape else ""
        raise RuleError(f"{x} has no axis {axis}", attribute="axis", help=help)
    from_end = axis if axis < 0 else axis - len(x.shape)
    return 0 if from_end == x.channel_axis else from_end


def array_axis(array: Array, axis: int) -> int:
    """An axis of an operation as one of an array with its batch in front: negative, 0 being that of the channels."""
    return axis or (-3 if array.ndim >= 4 else -1)
