"""Draws operations over what is in scope, with parameters shared in every way: valid by construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import strategies as st

from itc.ir import (
    LAYERS,
    Builder,
    Index,
    IterationSet,
    Layer,
    Param,
    ParamRef,
    ParamSpec,
    SeriesType,
    TensorType,
    Value,
)  # fmt: skip
from itc.ir.ops.comparison import Compare, Maximum, Minimum
from itc.ir.ops.pointwise import Add, Affine, Div, Mul, Sub
from itc.ir.ops.shape import Fill

T = TypeVar("T")

MAX_RUNS = 12  # iterations of all loops around one another, so that rounding has no time to grow
ACTIVATIONS = ("relu", "relu6", "sigmoid", "tanh", "gelu", "silu", "abs", "leaky_relu", "elu", "softplus", "hardswish")
ACTIVATIONS += ("sin", "cos")
POSITIVE = ("sqrt", "log", "exp", "squared_relu")  # of numbers from 0 to 1


@dataclass(frozen=True)
class Limits:
    """How large the nets become: sizes of maps and vectors, iterations of one loop, statements of one body, strides."""

    size: int = 16
    channels: int = 8
    iterations: int = 5
    statements: int = 4
    depth: int = 2
    halting: bool = False
    stride: int = 2


SMALL = Limits()


@dataclass
class Scope:
    """What a statement may read: tensors, those among them that depend on an input, and series."""

    tensors: list[Value] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    series: list[Value] = field(default_factory=list)

    def copy(self) -> Scope:
        return Scope(list(self.tensors), set(self.live), list(self.series))


class Operations:
    """Draws operations; `reach` are the iterations that get here, for each loop around from the outermost in."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], limits: Limits) -> None:
        self.draw = draw
        self.limits = limits
        self.builder = Builder("random")
        self.scope = Scope()
        self.reach: dict[str, IterationSet] = {}
        self.shared: list[tuple[ParamSpec, ParamRef]] = []
        self.outputs: list[tuple[Value, IterationSet | None]] = []
        self.layers = 0
        self.depth = 0

    # Draws, the simplest first

    def chance(self) -> bool:
        return bool(self.draw(st.booleans()))

    def number(self, least: int, most: int) -> int:
        return int(self.draw(st.integers(least, most)))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.number(0, len(choices) - 1)]

    def recent(self, choices: Sequence[T]) -> T:
        """One of `choices`, the last first."""
        return choices[-1 - self.number(0, len(choices) - 1)]

    def subset(self, iterations: IterationSet) -> IterationSet:
        """A part of `iterations`, at least one, of any shape."""
        members = list(iterations)
        chosen = self.draw(st.sets(st.sampled_from(members), min_size=1, max_size=len(members)))
        return IterationSet.of(chosen)

    # Values

    def maps(self) -> list[Value]:
        return [v for v in self.live_tensors() if len(v.tensor.shape) == 3]

    def live_tensors(self) -> list[Value]:
        return [v for v in self.scope.tensors if v.name in self.scope.live]

    def define(self, value: Value, live: bool = True) -> Value:
        """Adds a map, vector or series to the scope; `live` tells whether it depends on an input."""
        if isinstance(value.type, SeriesType):
            self.scope.series.append(value)
        elif len(value.tensor.shape) in (1, 3):
            self.scope.tensors.append(value)
        if live:
            self.scope.live.add(value.name)
        return value

    def call(self, layer: Layer, *operands: Value) -> Value:
        """Applies a layer, with parameters of its own or shared ones."""
        shapes = layer.op.shape_only
        live = any(o.name in self.scope.live for i, o in enumerate(operands) if i not in shapes)
        refs = self.params(layer.params)
        return self.define(self.builder.apply(layer.op, [*operands, *refs]), live)

    def layer(self, name: str, *args: Any, **kwargs: Any) -> Layer:
        return LAYERS[name](*args, **kwargs)

    # Parameters

    def params(self, specs: Sequence[ParamSpec]) -> list[ParamRef]:
        if not specs:
            return []
        known = self.known(specs)
        if known and self.chance():
            return known
        self.layers += 1
        index = self.sharing()
        refs = [self.declare(spec, f"layer{self.layers}.{spec.name}", index) for spec in specs]
        if not index:
            self.shared += zip(specs, refs, strict=True)
        return refs

    def declare(self, spec: ParamSpec, key: str, index: tuple[Index, ...]) -> ParamRef:
        type, sets = TensorType("f32", spec.shape), tuple(i.count for i in index)
        self.builder.param(Param(key, type, spec.role, spec.init, sets))
        return ParamRef(key, index)

    def known(self, specs: Sequence[ParamSpec]) -> list[ParamRef]:
        """Parameters of an earlier layer that fit, as `@share(calls)` would read them again."""
        for at in range(len(self.shared) - len(specs) + 1):
            found = self.shared[at : at + len(specs)]
            if [spec for spec, _ in found] == list(specs) and len({r.key.split(".")[0] for _, r in found}) == 1:
                return [ref for _, ref in found]
        return []

    def sharing(self) -> tuple[Index, ...]:
        """For each loop around: shared by all iterations (no axis), by none, or by runs of some."""
        chosen = []
        for var, over in self.reach.items():
            every = self.pick((0, 1, 2, 3))
            if every:
                chosen.append(Index(var, over, every))
        return tuple(chosen)

    # Operations

    def operation(self) -> Value:
        maps, vectors = self.maps(), [v for v in self.live_tensors() if len(v.tensor.shape) == 1]
        if vectors and (not maps or self.chance()):
            return self.vector_operation(self.recent(vectors))
        return self.map_operation(self.recent(maps))

    def map_operation(self, x: Value) -> Value:
        return self.pick(self.map_kinds())(x)

    def map_kinds(self) -> tuple[Callable[[Value], Value], ...]:
        layers = (self.conv, self.elementwise, self.binary, self.depthwise)
        return (*layers, self.pool, self.resize, self.concat, self.global_pool)

    def vector_operation(self, x: Value) -> Value:
        return self.pick(self.vector_kinds())(x)

    def vector_kinds(self) -> tuple[Callable[[Value], Value], ...]:
        return (self.linear, self.elementwise, self.binary, self.concat)

    def elementwise(self, x: Value) -> Value:
        many = ("softmax", "layer_norm", "rms_norm", "group_norm") if x.tensor.channels > 1 else ()
        kind = self.pick(("batch_norm", *ACTIVATIONS, "affine", "dropout", "prelu", *POSITIVE, *many))
        if kind == "prelu":
            return self.call(self.layer("prelu", x.tensor, channels=self.chance()), x)
        if kind in POSITIVE:
            squashed = self.call(self.layer("sigmoid", x.tensor), x)
            return self.call(self.layer(kind, x.tensor), squashed)
        if kind in many[1:]:
            groups = {"groups": 1} if kind == "group_norm" else {}
            return self.call(self.layer(kind, x.tensor, eps=0.1, affine=self.chance(), **groups), x)
        if kind == "affine":
            factor, offset = self.pick((0.5, -1.0, 1.25)), self.pick((0.0, 1.0, -0.75))
            return self.call(Layer(Affine(factor, offset)), x)
        if kind == "dropout":
            return self.call(self.layer("dropout", x.tensor, self.pick((0.5, 0.0, 0.1))), x)
        return self.call(self.layer(kind, x.tensor), x)

    def window(self, x: Value) -> tuple[dict[str, tuple[int, int]], tuple[int, int]]:
        """Stride, padding and dilation of a convolution, and a kernel that fits into `x`."""
        kernel, stride, pad, dilation = [], [], [], []
        for size in x.tensor.shape[-2:]:
            k, p, d = self.pick((1, 3, 2)), self.number(0, 2), self.number(1, 2)
            k = k if d * (k - 1) + 1 <= size + 2 * p else 1
            kernel.append(k)
            stride.append(self.number(1, self.limits.stride))
            pad.append(p if k > 1 else 0)
            dilation.append(d)
        return {"stride": pair_of(stride), "pad": pair_of(pad), "dilation": pair_of(dilation)}, pair_of(kernel)

    def conv(self, x: Value) -> Value:
        groups = self.pick([g for g in (1, 2, 4) if x.tensor.channels % g == 0])
        out = groups * self.number(1, self.limits.channels // groups)
        bias = self.chance()
        if self.chance():
            return self.call(
                self.layer("conv", x.tensor, out, self.pick(((1, 1), (3, 3))), groups=groups, bias=bias), x
            )
        attributes, kernel = self.window(x)
        return self.call(self.layer("conv", x.tensor, out, kernel, groups=groups, bias=bias, **attributes), x)

    def depthwise(self, x: Value) -> Value:
        attributes, kernel = self.window(x)
        return self.call(self.layer("depthwise", x.tensor, kernel, bias=self.chance(), **attributes), x)

    def linear(self, x: Value) -> Value:
        bias, start = self.chance(), self.pick((0.0, 0.25, -1.0))
        options = {"bias": bias, "bias_init": start if bias else 0.0}
        return self.call(self.layer("linear", x.tensor, self.number(2, self.limits.channels), **options), x)

    def pool(self, x: Value) -> Value:
        kernel, stride, pad = [], [], []
        for size in x.tensor.shape[-2:]:
            k = min(self.number(1, 3), size)
            kernel.append(k)
            stride.append(self.number(1, max(3, self.limits.stride)))
            pad.append(self.number(0, k // 2))
        options = {"stride": pair_of(stride), "pad": pair_of(pad), "ceil": self.chance()}
        return self.call(self.layer(self.pick(("max_pool", "avg_pool")), x.tensor, pair_of(kernel), **options), x)

    def global_pool(self, x: Value) -> Value:
        return self.call(self.layer("global_pool", x.tensor), x)

    def resize(self, x: Value) -> Value:
        mode = self.pick(("nearest", "bilinear"))
        least, most = min(x.tensor.shape[-2:]), max(x.tensor.shape[-2:])
        factors = [f for f in (2, 3, 0.5, 0.7, 1.5) if int(f * least) >= 1 and f * most <= self.limits.size]
        if factors and self.chance():
            corners = mode == "bilinear" and self.chance()
            return self.call(self.layer("resize", x.tensor, self.pick(factors), mode=mode, align_corners=corners), x)
        return self.resized(x, self.recent(self.maps()), mode)

    def resized(self, x: Value, like: Value, mode: str = "nearest") -> Value:
        return self.call(self.layer("resize", x.tensor, like=like.tensor, mode=mode), x, like)

    def binary(self, x: Value) -> Value:
        y = self.fitted(self.recent(self.live_tensors()), x)
        if self.chance():
            op = self.pick((Add(), Sub(), Minimum(), Maximum()))
            return self.call(Layer(op), x, x if y == x and self.chance() else self.squashed(y))
        if self.chance():
            return self.call(Layer(Mul()), x, self.squashed(y))
        if self.chance():
            return self.larger(x, self.squashed(y))
        return self.call(
            Layer(Div()), x, self.call(Layer(Affine(0.5, 1.0)), self.call(self.layer("sigmoid", y.tensor), y))
        )

    def larger(self, x: Value, y: Value) -> Value:
        """The larger of two values, or one and a number, by a mask: continuous where the mask changes."""
        bound = self.pick((None, 0.25, -0.5))
        mask = self.builder.apply(Compare("gt", bound or 0.0), [x, y] if bound is None else [x])
        number = y.tensor if bound is None else bound
        if self.chance():
            return self.call(self.layer("maximum", x.tensor, number), *([x, y] if bound is None else [x]))
        return self.call(self.layer("where", mask.tensor, x.tensor, number), mask, x, *([y] if bound is None else []))

    def squashed(self, x: Value) -> Value:
        """`x` in a bounded range, so that products cannot blow up in a loop."""
        return self.call(self.layer(self.pick(("tanh", "sigmoid")), x.tensor), x)

    def concat(self, x: Value) -> Value:
        others = [self.pick((self.fill, self.near, self.near))(x) for _ in range(self.number(1, 2))]
        tensors = [x, *others][:: self.pick((1, -1))]
        channels = sum(v.tensor.channels for v in tensors)
        joined = self.call(self.layer("concat", *(v.tensor for v in tensors)), *tensors)
        return self.reduced(joined) if channels > self.limits.channels else joined

    def near(self, x: Value) -> Value:
        """Another value of the sizes of `x`."""
        y = self.recent(self.live_tensors())
        if len(x.tensor.shape) != 3:
            return y if len(y.tensor.shape) == 1 else self.global_pool(y)
        y = y if len(y.tensor.shape) == 3 else self.recent(self.maps())
        return self.resized(y, x, self.pick(("nearest", "bilinear")))

    def fill(self, x: Value) -> Value:
        value = self.pick((0.0, 1.0, 0.5))
        return self.define(self.builder.apply(Fill(self.number(1, 2), value), [x]), live=False)

    def reduced(self, x: Value, channels: int = 2) -> Value:
        name = "conv" if len(x.tensor.shape) == 3 else "linear"
        return self.call(self.layer(name, x.tensor, channels, *(((1, 1),) if name == "conv" else ())), x)

    def fitted(self, y: Value, x: Value) -> Value:
        """`y` brought to the type of `x`."""
        if y.type == x.type:
            return y
        if len(x.tensor.shape) == 1:
            y = self.global_pool(y) if len(y.tensor.shape) == 3 else y
        elif len(y.tensor.shape) == 1:
            return self.fitted(self.recent(self.maps()), x) if self.maps() else x
        elif y.tensor.shape[1:] != x.tensor.shape[1:]:
            y = self.resized(y, x, self.pick(("nearest", "bilinear")))
        return y if y.type == x.type else self.reduced(y, x.tensor.channels)


def pair_of(numbers: Sequence[int]) -> tuple[int, int]:
    first, second = numbers
    return first, second
