"""Folding of batch norms at inference: into the preceding layer, or into one scale and shift per channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np

from itc.ir.net import Apply, Body, Net, Param, ParamRef, Statement, Value, applies, children, walk
from itc.ir.op import Array
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.norm import BatchNorm, ScaleShift
from itc.ir.types import TensorType
from itc.ir.uses import reads
from itc.passes import Pass, Rewritten, Weights
from itc.transforms.rewriting import with_bodies

Recipe = Callable[[dict[str, Array]], None]


@dataclass(frozen=True)
class FoldNorms(Pass):
    """At inference, with `g = scale / sqrt(var + eps)`, a norm computes `x * g + (shift - mean * g)`.

    If the norm is the only reader of a convolution, transposed convolution or linear layer, and has the same parameter
    sets as the layer, or a single one, `g` is folded into the layer's weight and the shift into its bias, under the
    keys of the layer; a missing bias is added as `.bias`. Otherwise, as for a private norm after a shared weight, the
    norm becomes a `scale_shift` under its own keys. Weights are folded from those of the original net, and lose the
    norm's statistics. A norm whose parameters have other readers stays.
    """

    name: ClassVar[str] = "fold-norms"
    summary: ClassVar[str] = (
        "for inference: folds batch norms into weights and biases, or one scale and shift per channel"
    )

    def rewrite(self, net: Net) -> Rewritten:
        folding = _Folding(net)
        folded = replace(net, body=folding.statements(net.body), params=tuple(folding.params()))
        if not folding.recipes:
            return Rewritten(net)

        def adapt(weights: Weights) -> Weights:
            adapted = dict(weights)
            for recipe in folding.recipes:
                recipe(adapted)
            return adapted

        return Rewritten(folded, adapt)


@dataclass(frozen=True, slots=True)
class _Norm:
    """The parameters of a batch norm, which identify it among its applications."""

    scale: str
    shift: str
    mean: str
    var: str
    eps: float

    def factor(self, weights: Weights) -> Array:
        """`g`, in float64: [*sets, channels]."""
        var = np.asarray(weights[self.var], np.float64)
        return np.asarray(weights[self.scale] / np.sqrt(var + self.eps))

    def offset(self, weights: Weights, bias: Array | float = 0.0) -> Array:
        """The shift after the factor, if `bias` was added before the norm."""
        return np.asarray((bias - weights[self.mean]) * self.factor(weights) + weights[self.shift])


@dataclass(frozen=True)
class _Target:
    """The layer into which a norm is folded."""

    norm: _Norm
    weight: Param
    bias: Param
    had_bias: bool
    axis: int

    def recipe(self, weights: dict[str, Array]) -> None:
        weight = weights[self.weight.key]
        factor = self.norm.factor(weights)
        channels = [1] * len(self.weight.type.shape)
        channels[self.axis] = factor.shape[-1]
        bias = weights[self.bias.key] if self.had_bias else 0.0
        weights[self.bias.key] = self.norm.offset(weights, bias).astype(weight.dtype)
        weights[self.weight.key] = (weight * factor.reshape(*factor.shape[:-1], *channels)).astype(weight.dtype)


@dataclass
class _Folding:
    """Decides the folding of each norm of a net, and the conversion of the weights."""

    net: Net
    recipes: list[Recipe] = field(default_factory=list)
    norms: dict[int, _Norm] = field(default_factory=dict)
    targets: dict[int, _Target] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.readers: dict[str, list[Apply]] = {}
        for apply in applies(self.net.body):
            for key in {ref.key for ref in apply.refs}:
                self.readers.setdefault(key, []).append(apply)
        uses = Counter(value.name for s in walk(self.net.body) for value in reads(s))
        uses.update(output.value.name for output in self.net.outputs)
        self.alone = {name for name, count in uses.items() if count == 1}
        self.behind = dict(_behind(self.net))
        self.taken = {*self.net.param}
        for norm, found in self.groups():
            self.decide(norm, found)

    def groups(self) -> Iterator[tuple[_Norm, list[Apply]]]:
        """Norms with all their applications, if their parameters have no other readers."""
        applications: dict[_Norm, list[Apply]] = {}
        for apply in applies(self.net.body):
            norm = _norm_of(apply)
            if norm:
                applications.setdefault(norm, []).append(apply)
        for norm, own in applications.items():
            mine = set(map(id, own))
            read = {id(a) for key in (norm.scale, norm.shift, norm.mean, norm.var) for a in self.readers[key]}
            if read == mine:
                yield norm, own

    def decide(self, norm: _Norm, applications: list[Apply]) -> None:
        layers = [self.layer(apply) for apply in applications]
        self.norms |= {id(apply): norm for apply in applications}
        target = self.target(norm, applications, [layer for layer in layers if layer])
        if target is None:
            self.recipes.append(lambda weights: _as_scale_and_shift(norm, weights))
            return
        self.recipes.append(target.recipe)
        for apply, layer in zip(applications, layers, strict=True):
            assert layer is not None
            self.targets[id(layer)] = self.targets[id(apply)] = target

    def layer(self, norm: Apply) -> Apply | None:
        """The layer before a norm into which it could be folded."""
        layer = self.behind.get(id(norm))
        if layer is None or layer.result.name not in self.alone or len(layer.refs) < len(layer.operands) - 1:
            return None
        maps = layer.result.tensor.channel_axis == -3
        fits = maps if isinstance(layer.op, Conv | ConvTranspose) else isinstance(layer.op, Linear) and not maps
        if not fits or (isinstance(layer.op, ConvTranspose) and layer.op.groups > 1):
            return None
        same = len({ref.index for ref in layer.refs}) == 1
        index = _refs(norm)[0].index
        return layer if same and index in ((), layer.refs[0].index) else None

    def target(self, norm: _Norm, applications: list[Apply], layers: list[Apply]) -> _Target | None:
        """The target of the folding, if all layers before the norm read the same parameters, without other readers."""
        keys = {tuple(ref.key for ref in layer.refs) for layer in layers}
        if len(layers) < len(applications) or len(keys) != 1:
            return None
        weight, *biases = keys.pop()
        mine = set(map(id, layers))
        if any({id(apply) for apply in self.readers[key]} != mine for key in (weight, *biases)):
            return None
        shift, param = self.net.param[norm.shift], self.net.param[weight]
        bias = self.net.param[biases[0]] if biases else self.new_bias(param, shift)
        return _Target(norm, param, bias, bool(biases), int(isinstance(layers[0].op, ConvTranspose)))

    def new_bias(self, weight: Param, shift: Param) -> Param:
        path, dot, _ = weight.key.rpartition(".")
        key, number = f"{path}{dot}bias", 2
        while key in self.taken:
            key, number = f"{path}{dot}bias_{number}", number + 1
        self.taken.add(key)
        return Param(key, TensorType(weight.type.dtype, shift.type.shape), "bias", "zeros", shift.sets)

    def params(self) -> Iterator[Param]:
        new = {target.weight.key: target.bias for target in self.targets.values() if not target.had_bias}
        for param in self.net.params:
            yield param
            if param.key in new:
                yield new[param.key]

    # The statements

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(self.statement(s) for s in statements if id(s) not in self.targets or id(s) in self.norms)

    def statement(self, statement: Statement) -> Statement:
        if not isinstance(statement, Apply):
            return with_bodies(statement, {}, self.body)
        if id(statement) not in self.norms:
            return statement
        if id(statement) in self.targets:
            return self.folded(statement, self.targets[id(statement)])
        first, scale, shift, *_ = statement.operands
        return replace(statement, op=ScaleShift(), operands=(first, scale, shift))

    def body(self, body: Body) -> Body:
        return replace(body, statements=self.statements(body.statements))

    def folded(self, norm: Apply, target: _Target) -> Apply:
        """The layer with the norm folded in, with the results of the norm."""
        layer = self.behind[id(norm)]
        x, weight, *bias = layer.operands
        new = bias or [ParamRef(target.bias.key, _refs(norm)[0].index)]
        return replace(layer, operands=(x, weight, *new), results=norm.results)


def _as_scale_and_shift(norm: _Norm, weights: dict[str, Array]) -> None:
    dtype = weights[norm.scale].dtype
    factor, offset = norm.factor(weights), norm.offset(weights)
    weights[norm.scale], weights[norm.shift] = factor.astype(dtype), offset.astype(dtype)


def _refs(apply: Apply) -> tuple[ParamRef, ...]:
    return cast(tuple[ParamRef, ...], apply.operands[1:])


def _norm_of(apply: Apply) -> _Norm | None:
    """The norm of an operation, if it is a batch norm with equal indices of all parameters."""
    if not isinstance(apply.op, BatchNorm) or len(apply.refs) != 4 or len({ref.index for ref in apply.refs}) > 1:
        return None
    scale, shift, mean, var = (ref.key for ref in apply.refs)
    return _Norm(scale, shift, mean, var, apply.op.eps)


def _behind(net: Net) -> Iterator[tuple[int, Apply]]:
    """For each norm, by id, the operation in the same body that defines its operand."""
    bodies = [net.body, *(body.statements for s in walk(net.body) for body in children(s))]
    for statements in bodies:
        makers = {s.result.name: s for s in statements if isinstance(s, Apply) and len(s.results) == 1}
        for apply in makers.values():
            first = apply.operands[0]
            if isinstance(apply.op, BatchNorm) and isinstance(first, Value) and first.name in makers:
                yield id(apply), makers[first.name]
