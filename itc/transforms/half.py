"""Float16 nets: every tensor in f16 but for inputs, outputs, halting scores and what needs the range of f32."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from itc.diagnostics import fail, shortened
from itc.ir.net import Apply, Emit, Loop, Net, Operand, Param, ParamRef, Statement, Value, When, applies, walk
from itc.ir.op import NORM_ROLES, Array, Op, RuleError
from itc.ir.ops.activation import Exp, Log
from itc.ir.ops.cast import Cast
from itc.ir.ops.reduce import Change
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.resize import Resize
from itc.ir.types import SeriesType, TensorType
from itc.ir.uses import reads
from itc.passes import Rewritten, Weights
from itc.transforms.retyping import Retyping, dtype_of, grouped, handed_on

#: Operations that stay in f32: their results exceed the range of f16, or are pixel coordinates, of which f16 has no
#: fractions above 1,024.
IN_F32: tuple[type[Op], ...] = (Exp, Log, Change, Proposals, RoiAlign)
#: The largest finite float16.
MOST = 65504.0


def to_half(net: Net) -> Rewritten:
    """`net` in float16, and the rounding of its weights (E0570 for those beyond the range)."""
    types = _Types(net)
    narrow = _Half(net, types).rebuilt()
    params = tuple(types.param(param) for param in net.params)
    return Rewritten(replace(narrow, params=params), lambda weights: _rounded(weights, params))


def _rounded(weights: Weights, params: Iterable[Param]) -> Weights:
    """The weights of f16 parameters as float16."""
    half = {param.key for param in params if param.type.dtype == "f16"}
    if endless := [key for key in half if np.abs(weights[key]).max(initial=0) > MOST]:
        message = f"weights beyond ±{MOST:,.0f} are not finite in f16: {shortened(sorted(endless))}"
        help = "keep the network in f32: its weights are too large for f16"
        raise fail("E0570", message, help=help)
    return {key: _as_half(value) if key in half else value for key, value in weights.items()}


def _as_half(array: Array) -> Array:
    return array.astype(np.float16)


class _Types:
    """Decides which operations, parameters and values of a net stay in f32."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.wide_params = {param.key for param in net.params if param.role in NORM_ROLES}
        self.wide_ops = {id(apply) for apply in applies(net.body) if not self._allows_half(apply)}
        while added := self._params_of_wide_ops() - self.wide_params:
            self.wide_params |= added
            self.wide_ops |= {id(apply) for apply in applies(net.body) if not self._allows_half(apply)}
        self.wide_values: set[str] = set()
        self._mark(net.body)
        self._outputs()

    def param(self, param: Param) -> Param:
        """A parameter in its new type."""
        if param.key in self.wide_params or param.type.dtype != "f32":
            return param
        return replace(param, type=param.type.with_dtype("f16"))

    def _allows_half(self, apply: Apply) -> bool:
        """Whether the type rule of an operation takes f16 where it takes f32."""
        if isinstance(apply.op, IN_F32):
            return False
        try:
            apply.op.result_types(*(self._half(operand) for operand in apply.operands))
        except RuleError:
            return False
        return True

    def _half(self, operand: Operand) -> TensorType:
        type = self.type(operand)
        return type.with_dtype("f16") if type.dtype == "f32" and isinstance(operand, Value) else type

    def type(self, operand: Operand) -> TensorType:
        """The type of a value, or of a parameter in the new net."""
        return operand.tensor if isinstance(operand, Value) else self.param(self.net.param[operand.key]).type

    def _params_of_wide_ops(self) -> set[str]:
        wide = (apply for apply in applies(self.net.body) if id(apply) in self.wide_ops)
        return {ref.key for apply in wide for ref in apply.refs}

    def _mark(self, statements: tuple[Statement, ...]) -> None:
        """Marks the results of f32 operations, and carries and branches of nothing else."""
        for statement in statements:
            match statement:
                case Apply() if id(statement) in self.wide_ops:
                    self.wide_values |= {value.name for value in statement.results}
                case Loop():
                    self._mark_carries(statement)
                    self._mark(statement.body.statements)
                case When():
                    self._mark(statement.body.statements)
                    self._mark(statement.otherwise.statements)
                    for result, *yields in zip(
                        statement.results, statement.body.yields, statement.otherwise.yields, strict=True
                    ):
                        if all(value.name in self.wide_values for value in yields):
                            self.wide_values.add(result.name)
                case Emit():
                    self._mark(statement.body.statements)

    def _mark_carries(self, loop: Loop) -> None:
        for carry, result in zip(loop.carries, loop.carry_results, strict=True):
            if carry.init.name in self.wide_values:
                self.wide_values |= {carry.inner.name, result.name}

    def _outputs(self) -> None:
        """Marks series that are outputs, and resizes of which only outputs are made: computed as they leave."""
        groups = grouped(pair for pair in handed_on(self.net.body) if isinstance(pair[0].type, SeriesType))
        outputs = [output.value.name for output in self.net.outputs if isinstance(output.value.type, SeriesType)]
        self.wide_values |= {name for output in outputs for name in groups.get(output, {output})}
        leaving = _leaving(self.net)
        resizes = [apply for apply in applies(self.net.body) if isinstance(apply.op, Resize)]
        self.wide_ops |= {id(apply) for apply in resizes if apply.result.name in leaving}


def _leaving(net: Net) -> set[str]:
    """Names of values that only leave the net: as outputs, or in series that do."""
    count = Counter(value.name for statement in walk(net.body) for value in reads(statement))
    left = Counter(output.value.name for output in net.outputs)
    count.update(left)
    for loop in (statement for statement in walk(net.body) if isinstance(statement, Loop)):
        for emit, series in loop.collected:
            gone = (result.name for result in series)
            left.update(
                value.name for value, name in zip(emit.body.yields, gone, strict=True) if left[name] == count[name] > 0
            )
    return {name for name, times in left.items() if times == count[name]}


class _Half(Retyping):
    """Rebuilds a net in f16; results are rounded where they are computed, and casts stand where types meet."""

    def __init__(self, net: Net, types: _Types) -> None:
        super().__init__(net)
        self.types = types

    def storage(self, value: Value) -> str:
        dtype = dtype_of(value.type)
        return "f16" if dtype == "f32" and value.name not in self.types.wide_values else dtype

    def convert(self, value: Value, dtype: str) -> Value:
        new = Value(self.names.fresh(value.name, f"_{dtype}"), value.tensor.with_dtype(dtype))
        self.add(Apply(Cast(dtype), (self.home(value),), (new,)))
        return new

    def apply(self, apply: Apply) -> None:
        dtype = "f32" if id(apply) in self.types.wide_ops else "f16"
        operands = tuple(self.operand(apply, position, dtype) for position in range(len(apply.operands)))
        types = (self.types.type(operand) for operand in operands)
        for old, type in zip(apply.results, apply.op.result_types(*types), strict=True):
            self.define(old, Value(old.name, type))
        results = tuple(self.home(old) for old in apply.results)
        self.add(replace(apply, operands=operands, results=results))

    def operand(self, apply: Apply, position: int, dtype: str) -> Operand:
        """An operand in `dtype`, if it was f32; one that is cast, or whose shape alone is read, as it is."""
        operand = apply.operands[position]
        if isinstance(operand, ParamRef):
            return operand
        if operand.tensor.dtype != "f32" or isinstance(apply.op, Cast):
            return self.home(operand)
        if position in apply.op.shape_only:
            return self.forms[operand.name].get(dtype, self.home(operand))
        return self.form(operand, dtype)
