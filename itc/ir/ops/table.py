"""Parameters as values: embedding tables and free tensors."""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from itc.ir.op import MAX_FLOAT, Array, Layer, Op, ParamSpec, RuleError, Types, layer, operation
from itc.ir.ops.conv import WeightInit, weight_init
from itc.ir.rules import at_least, at_most, needs_float, needs_integer
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class Embed(Op):
    """Row `ids[...]` of `weight` [count, channels] for each id, an integer from 0."""

    name = "embed"
    arity = (2, 2)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        ids, weight = operands
        needs_integer("embed", ids, 0)
        if len(weight.shape) != 2:
            raise RuleError(f"the weight of `embed` has two axes, not {weight}", 1)
        return (weight.with_shape((*ids.shape, weight.shape[1])),)

    def indexed(self, types: Types) -> tuple[int, int] | None:
        return 0, types[1].shape[0]

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        ids, weight = operands
        if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < len(weight):
            raise IndexError(f"ids from {ids.min()} to {ids.max()} for a table of {len(weight)}")
        return (weight[ids],)


@operation
@dataclass(frozen=True)
class Parameter(Op):
    """A parameter as a value, equal for all samples; the first operand, any input, only gives the batch size."""

    name = "parameter"
    arity = (2, 2)
    shape_only = frozenset({0})
    reads_batch = True

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        needs_float("parameter", operands[1])
        return (operands[1],)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        batch, weight = operands
        return (np.broadcast_to(weight, (len(batch), *weight.shape)).copy(),)


@layer
def embed(
    ids: TensorType,
    count: int | None = None,
    channels: int | None = None,
    *,
    table: TensorType | None = None,
    init: WeightInit = "normal",
    std: float | None = None,
) -> Layer:
    """A trained vector of `channels` for each of `count` ids. `normal` has standard deviation 1, or `std`.

    With `table`, the vectors are the rows of a `param` [count, channels], which other calls may use as well.
    """
    if table is not None:
        if (count, channels, init, std) != (None, None, "normal", None):
            help = "give the `param` its shape and its `init`"
            raise RuleError("`embed` with a `table` takes nothing else", attribute="table", help=help)
        return Layer(Embed(), weight=1)
    if count is None or channels is None:
        raise RuleError("`embed` needs a count and channels, or a `table`", help="embed(ids, 100, 16)")
    at_least(1, "count", (count, channels))
    return Layer(Embed(), (ParamSpec("weight", (count, channels), "weight", weight_init(init, std, "normal")),))


@layer
def param(
    shape: tuple[int, ...],
    *,
    init: Literal["zeros", "ones", "normal", "kaiming", "uniform", "lecun", "xavier", "sinusoid"] = "zeros",
    std: float | None = None,
    values: tuple[float, ...] | None = None,
    train: bool = True,
) -> Layer:
    """A free tensor, trained or constant; `init=sinusoid` is a sinusoidal table, one row per set or per row.

    `values` lists all elements, row by row: `param([1, 1, 3, 3], values=[...], train=false)` is a fixed kernel.
    """
    at_least(1, "shape", shape)
    if init == "sinusoid" and not shape:
        raise RuleError("a table of positions has an axis of channels at least", attribute="shape")
    start = weight_init(init, std, "zeros") if values is None else _listed(shape, values, init, std)
    spec = ParamSpec("weight", shape, "weight" if train else "constant", start)
    return Layer(Parameter(), (spec,))


def _listed(shape: tuple[int, ...], values: tuple[float, ...], init: str, std: float | None) -> str:
    """The `init` of a parameter whose elements are listed."""
    if init != "zeros" or std is not None:
        raise RuleError("`values` and `init` both give the elements", attribute="values", help="remove one of them")
    if len(values) != prod(shape):
        raise RuleError(f"{len(values)} values for {prod(shape)} elements", attribute="values")
    for value in values:
        at_most(MAX_FLOAT, "values", value)
    return f"values({','.join(repr(float(value)) for value in values)})"
