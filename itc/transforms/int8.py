"""Int8 nets: products of i8 with sums in i32, tensors stored in i8, and all other arithmetic in f32 between.

Scales are parameters: one for each tensor, or for all tensors that are handed on as one (round a loop, out of branches,
into series, through operations that only move elements), and one per output channel of a weight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from math import prod

import numpy as np

from itc.ir.net import Apply, Body, Loop, Net, Operand, Param, ParamRef, Value, applies, children, walk
from itc.ir.op import Array, Op, RuleError
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.pool import MaxPool
from itc.ir.ops.quantization import MOST, FromInt8, ToInt8, to_int8
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, Reshape, Transpose
from itc.ir.ops.reduce import Change
from itc.ir.ops.region import Proposals
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat, Stack
from itc.ir.types import SeriesType, TensorType
from itc.ir.uses import data_operands, reads
from itc.passes import Rewritten, Weights
from itc.transforms.half import leaving
from itc.transforms.retyping import Retyping, dtype_of, grouped, handed_on

#: By name of a value, its largest magnitude in sample inputs, for the weights of the net.
Calibrate = Callable[[Net, Weights], dict[str, float]]
MOVES = (Broadcast, ChannelShuffle, Concat, MaxPool, Reshape, Select, Slice, Stack, Transpose)
#: Operations whose results stay in f32 wherever they go: coordinates of pixels, and distances.
KEPT: tuple[type[Op], ...] = (Proposals, Change)
#: Products that a sum in i32 holds.
MOST_TERMS = (2**31 - 1) // MOST**2


def to_int(net: Net, calibrate: Calibrate) -> Rewritten:
    """`net` in int8; its weights are made of those of `net` and of the magnitudes that `calibrate` finds."""
    rewriting = _Int8(net)
    narrow = rewriting.rebuilt()
    params = tuple(rewriting.params())

    def adapt(weights: Weights) -> Weights:
        out = dict(weights)
        for key, axis in rewriting.products.items():
            sets = len(net.param[key].sets)
            scale = _scales(weights[key], sets, axis)
            out[rewriting.weight_scale(key)] = scale
            shape = [*scale.shape[:sets], *(1,) * (weights[key].ndim - sets)]
            shape[sets + axis] = scale.shape[-1]
            out[key] = to_int8(weights[key], scale.reshape(shape))
        found = calibrate(net, weights) if rewriting.scales else {}
        for key, group in rewriting.scales.items():
            out[key] = np.array([_scale(max((found.get(name, 0.0) for name in group), default=0.0))], np.float32)
        return {param.key: out[param.key] for param in params if param.key in out}

    return Rewritten(replace(narrow, params=params), adapt)


def _scale(largest: float) -> float:
    """The scale with which the largest magnitude becomes 127."""
    return largest / MOST or 1.0


def _scales(weight: Array, sets: int, axis: int) -> Array:
    """The scales [*sets, channels] of a weight whose output channels are at `axis` of a set."""
    others = tuple(at for at in range(sets, weight.ndim) if at != sets + axis)
    largest = np.abs(weight.astype(np.float32)).max(others)
    return np.where(largest > 0, largest / np.float32(MOST), np.float32(1)).astype(np.float32)


def _product_axis(apply: Apply, net: Net) -> int | None:
    """The axis of the output channels in the weight of a product that i8 can compute; None for other operations."""
    if not isinstance(apply.op, Conv | ConvTranspose | Linear) or not isinstance(apply.operands[0], Value):
        return None
    if not all(isinstance(operand, ParamRef) for operand in apply.operands[1:]):
        return None
    transposed = isinstance(apply.op, ConvTranspose)
    if isinstance(apply.op, ConvTranspose) and apply.op.groups > 1:
        return None
    types = net.operand_types(apply)
    terms = prod(types[1].shape) // types[1].shape[1 if transposed else 0]
    return int(transposed) if terms <= MOST_TERMS and types[0].dtype == "f32" else None


class _Int8(Retyping):
    """Rebuilds a net in int8. `products` are the weights in i8 with the axis of their output channels."""

    def __init__(self, net: Net) -> None:
        super().__init__(net)
        self.products = _products(net)
        self.groups = grouped([*handed_on(net.body), *_collected(net), *_moved(net)])
        self.leaving = leaving(net)
        self.kept = {value.name for a in applies(net.body) if isinstance(a.op, KEPT) for value in a.results}
        self.inline = _inline(net)
        self.outputs = {name for o in net.outputs for name in self.groups.get(o.value.name, ())} | {
            output.value.name for output in net.outputs
        }
        summed = (loop for loop in _loops(net) if loop.halt and loop.halt.kind == "act")
        self.weighted = {carry.inner.name for loop in summed for carry in loop.carries}
        self.scales: dict[str, set[str]] = {}
        self._root = "scales"
        while any(key.split(".")[0] == self._root for key in net.param):
            self._root += "_"

    # Parameters

    def params(self) -> Iterator[Param]:
        """The parameters of the new net: weights in i8, each followed by its scales, then the scales of tensors."""
        for param in self.old.params:
            if param.key not in self.products:
                yield param
                continue
            yield replace(param, type=param.type.with_dtype("i8"), init="zeros")
            channels = param.type.shape[self.products[param.key]]
            type = TensorType("f32", (channels,))
            yield Param(self.weight_scale(param.key), type, "constant", "ones", param.sets)
        for key in self.scales:
            yield Param(key, TensorType("f32", (1,)), "constant", "ones")

    def weight_scale(self, key: str) -> str:
        found = f"{key}_scale"
        while found in self.old.param:
            found += "_"
        return found

    def scale(self, value: Value) -> ParamRef:
        """The scale of a value and of all that it is one with."""
        group = self.groups.get(value.name, {value.name})
        key = f"{self._root}.{self._representative(frozenset(group))}"
        self.scales[key] = group
        return ParamRef(key)

    @cache  # noqa: B019  as long as the rewriting
    def _representative(self, group: frozenset[str]) -> str:
        return next(name for name in self._order if name in group)

    @property
    def _order(self) -> Iterator[str]:
        yield from (value.name for value in self.old.inputs)
        for statement in walk(self.old.body):
            if isinstance(statement, Loop):
                yield from (carry.inner.name for carry in statement.carries)
            yield from (value.name for value in getattr(statement, "results", ()))

    # Values

    def storage(self, value: Value) -> str:
        dtype = dtype_of(value.type)
        group = self.groups.get(value.name, {value.name})
        series = isinstance(value.type, SeriesType) and not self.outputs.isdisjoint(group)
        wide = series or not (self.kept | self.weighted).isdisjoint(group)
        return "i8" if dtype == "f32" and not wide else dtype

    def convert(self, value: Value, dtype: str) -> Value:
        home = self.home(value)
        new = Value(self.names.fresh(value.name, f"_{dtype}"), home.tensor.with_dtype(dtype))
        self.add(Apply(ToInt8() if dtype == "i8" else FromInt8(), (home, self.scale(value)), (new,)))
        return new

    def form(self, value: Value, dtype: str) -> Value:
        """Values are dequantised anew for each reader, which computes it on its own, so that they are stored in i8."""
        found = self.forms[value.name].get(dtype)
        if found or dtype == "i8":
            return found or super().form(value, dtype)
        return self.convert(value, dtype)

    def rebuilt(self) -> Net:
        for value in self.old.inputs:
            self.define(value, value)
            self.store(value)
        self.statements(self.old.body)
        outputs = tuple(self.output(output) for output in self.old.outputs)
        return replace(self.old, body=tuple(self._open[0]), outputs=outputs)

    def store(self, value: Value) -> None:
        """Quantises a value, unless it is computed on at once, only leaves the net, or is kept in f32."""
        group = self.groups.get(value.name, {value.name})
        single = value.name in self.inline or value.name in self.leaving or not self.kept.isdisjoint(group)
        if value.tensor.dtype == "f32" and not single and "i8" not in self.forms[value.name]:
            self.form(value, "i8")
            del self.forms[value.name]["f32"]
            self._defined.remove((value.name, "f32"))

    # Operations

    def apply(self, apply: Apply) -> None:
        if apply.operands[1:2] and isinstance(apply.operands[1], ParamRef) and apply.operands[1].key in self.products:
            self.product(apply)
        elif self.is_move(apply):
            self.move(apply)
        else:
            self.compute(apply)
        for value in apply.results:
            self.store(value)

    def product(self, apply: Apply) -> None:
        """Sums of products in i32, and their scales and bias in f32."""
        x, weight, *bias = apply.operands
        assert isinstance(x, Value) and isinstance(weight, ParamRef)
        types = [x.tensor.with_dtype("i8"), self.old.ref_type(weight).with_dtype("i8")]
        (type,) = apply.op.result_types(*types)
        sums = Value(self.names.fresh(apply.result.name, "_sums"), type)
        self.add(replace(apply, operands=(self.form(x, "i8"), weight), results=(sums,)))
        axis = -1 if isinstance(apply.op, Linear) and type.channel_axis != -1 else 0
        scales = (self.scale(x), ParamRef(self.weight_scale(weight.key), weight.index))
        result = self.define(apply.result, apply.result)
        self.add(Apply(FromInt8(axis), (sums, *scales, *bias), (result,), apply.span))

    def is_move(self, apply: Apply) -> bool:
        """Whether an operation moves elements that are stored in i8."""
        return _moves(apply) and all("i8" in self.forms[value.name] for value in data_operands(apply))

    def move(self, apply: Apply) -> None:
        operands = tuple(
            self.home(operand) if position in apply.op.shape_only else self.form(operand, "i8")
            for position, operand in enumerate(apply.values)
        )
        (type,) = apply.op.result_types(*(operand.tensor for operand in operands))
        result = self.define(apply.result, Value(apply.result.name, type))
        self.add(replace(apply, operands=operands, results=(result,)))

    def compute(self, apply: Apply) -> None:
        """An operation in f32, on operands that are dequantised for it."""
        operands = tuple(self.operand(apply, position) for position in range(len(apply.operands)))
        if not self.gives(apply, operands):  # its type is that of an operand whose shape is read
            operands = tuple(self.form(o, o.tensor.dtype) if isinstance(o, Value) else o for o in apply.operands)
        for value in apply.results:
            self.define(value, value)
        self.add(replace(apply, operands=operands))

    def gives(self, apply: Apply, operands: tuple[Operand, ...]) -> bool:
        """Whether an operation on these operands has the results of the old net."""
        types = [o.tensor if isinstance(o, Value) else self.old.ref_type(o) for o in operands]
        try:
            return apply.op.result_types(*types) == tuple(value.type for value in apply.results)
        except RuleError:
            return False

    def operand(self, apply: Apply, position: int) -> Operand:
        operand = apply.operands[position]
        if isinstance(operand, ParamRef):
            return operand
        return self.home(operand) if position in apply.op.shape_only else self.form(operand, operand.tensor.dtype)


def _loops(net: Net) -> Iterator[Loop]:
    return (statement for statement in walk(net.body) if isinstance(statement, Loop))


def _products(net: Net) -> dict[str, int]:
    """The weights that only products of i8 read, as weights and with one axis of output channels."""
    axes: dict[str, set[int | None]] = {}
    for apply in applies(net.body):
        axis = _product_axis(apply, net)
        for position, operand in enumerate(apply.operands):
            if isinstance(operand, ParamRef):
                axes.setdefault(operand.key, set()).add(axis if position == 1 else None)
    return {key: axis for key, found in axes.items() if len(found) == 1 and (axis := next(iter(found))) is not None}


def _moves(apply: Apply) -> bool:
    """Whether each element of the result is one of the operands, or zero."""
    op = apply.op
    moves = isinstance(op, MOVES) or (isinstance(op, Resize) and op.mode == "nearest")
    moves = moves or (isinstance(op, Pad) and op.value == 0)
    return moves and all(value.tensor.dtype == "f32" for value in data_operands(apply)) and not apply.refs


def _moved(net: Net) -> Iterator[tuple[Value, Value]]:
    for apply in applies(net.body):
        if _moves(apply):
            yield from ((value, apply.result) for value in data_operands(apply))


def _collected(net: Net) -> Iterator[tuple[Value, Value]]:
    """What emits yield with the series of it, and series with their elements in a loop."""
    for loop in _loops(net):
        for emit, series in loop.collected:
            yield from zip(emit.body.yields, series, strict=True)
        yield from ((each.series, each.inner) for each in loop.each)


def _inline(net: Net) -> set[str]:
    """Names of values that a single pointwise operation of the same body reads: both are computed in one pass."""
    count = Counter(value.name for statement in walk(net.body) for value in reads(statement, data=True))
    count.update(output.value.name for output in net.outputs)
    found: set[str] = set()
    for body in _bodies(net):
        defined = {value.name for s in body.statements if isinstance(s, Apply) for value in s.results}
        for apply in (s for s in body.statements if isinstance(s, Apply) and s.op.pointwise):
            found |= {v.name for v in data_operands(apply) if v.name in defined and count[v.name] == 1}
    return found


def _bodies(net: Net) -> Iterator[Body]:
    yield Body(net.body)
    for statement in walk(net.body):
        yield from children(statement)
