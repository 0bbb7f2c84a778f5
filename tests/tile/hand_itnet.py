"""ItNet built by hand through `itc.ir.Builder`, layer by layer as the paper has it, for tests that need no language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from itc.ir import (
    OPS,
    Body,
    Builder,
    Carry,
    Emit,
    Index,
    IterationSet,
    Loop,
    Net,
    Output,
    Param,
    ParamRef,
    SeriesType,
    TensorType,
    Value,
    When,
    close,
    verify,
)  # fmt: skip
from itc.ir.op import LAYERS

Pair = tuple[int, int]


class ItNet:
    """Builds one net; `index` is the sets of iterations that parameters made now are private to."""

    def __init__(
        self, f: int, iterations: int, exits: Sequence[int], size: Pair, shared: bool = True, classes: int = 11
    ) -> None:
        self.b = Builder("itnet")
        self.f, self.classes, self.shared = f, classes, shared
        self.exits = IterationSet.of(exits)
        self.times = IterationSet.span(1, iterations)
        self.image = self.b.input("image", TensorType("f32", (3, *size)))
        self.keys: dict[str, int] = {}

    def net(self) -> Net:
        state = self.pyramid()
        carries = [Carry(self.b.value(x.type, "state"), x) for x in state]
        with self.b.body() as statements:
            mixed = self.mixed([c.inner for c in carries])
            out = [self.bottleneck(x) for x in mixed]
            self.emit(out[0])
        results = [self.b.value(x.type) for x in state]
        head = TensorType("f32", (self.classes, *self.image.tensor.shape[1:]))
        series = self.b.value(SeriesType(len(self.exits), head), "segmentation")
        self.b.add(Loop("t", len(self.times), tuple(carries), close(statements, out), (*results, series)))
        return verify(self.b.net([Output("segmentation", series, self.exits)]))

    def apply(self, name: str, *xs: Value, sets: Index | None = None, key: str = "", **attributes: Any) -> Value:
        joined = name == "concat"
        layer = LAYERS[name](*(x.tensor for x in (xs if joined else xs[:1])), **attributes)
        stem = key or name
        if layer.params:
            self.keys[stem] = self.keys.get(stem, 0) + 1
            stem = f"{stem}_{self.keys[stem]}"
        refs = [self.param(f"{stem}.{p.name}", p.shape, p.role, p.init, sets) for p in layer.params]
        return self.b.apply(layer.op, [*xs, *refs])

    def param(self, key: str, shape: tuple[int, ...], role: Any, init: str, sets: Index | None) -> ParamRef:
        counts = (sets.count,) if sets else ()
        self.b.param(Param(key, TensorType("f32", shape), role, init, counts))
        return ParamRef(key, (sets,) if sets else ())

    def block(self, x: Value, out: int, kernel: int = 3, stride: int = 1) -> Value:
        x = self.apply("conv", x, key="data", out=out, kernel=(kernel, kernel), stride=(stride, stride))
        return self.apply("relu", self.apply("batch_norm", x, key="data_norm"))

    def pyramid(self) -> list[Value]:
        f, c = self.f, self.f // 2
        conv = self.apply("conv", self.image, key="stem", out=f - 3, kernel=(3, 3), stride=(2, 2))
        pool = self.apply("max_pool", self.image)
        stem = self.apply("relu", self.apply("batch_norm", self.apply("concat", conv, pool), key="stem_norm"))
        stem = self.block(stem, c, stride=2)
        out = []
        for scale in range(3):
            x = self.apply("max_pool", stem, kernel=(2**scale, 2**scale), ceil=True)
            out.append(self.block(self.block(self.block(x, f), c), c))
        return out

    def sets(self, over: IterationSet) -> Index | None:
        return None if self.shared else Index("t", over)

    def mixed(self, state: list[Value]) -> list[Value]:
        later = IterationSet.span(2, len(self.times))
        if not later.runs:
            return state
        with self.b.body() as statements:
            out = []
            for x in state:
                resized = [y if y is x else self.resized(y, x) for y in state]
                mix = self.apply(
                    "conv", self.apply("concat", *resized), key="mix", out=x.tensor.channels, sets=self.sets(later)
                )
                out.append(self.apply_binary("add", x, mix))
        results = tuple(self.b.value(x.type) for x in state)
        self.b.add(When("t", later, close(statements, out), Body((), tuple(state)), results))
        return list(results)

    def resized(self, y: Value, x: Value) -> Value:
        return self.b.apply(LAYERS["resize"](y.tensor, like=x.tensor).op, [y, x])

    def apply_binary(self, name: str, x: Value, y: Value) -> Value:
        return self.b.apply(OPS[name](), [x, y])

    def bottleneck(self, x: Value) -> Value:
        channels, sets = x.tensor.channels, self.sets(self.times)
        y = self.apply("conv", x, key="expand", out=6 * channels, kernel=(1, 1), sets=sets)
        y = self.apply("depthwise", self.apply("relu6", y), key="depthwise", sets=sets)
        y = self.apply("dropout", self.apply("relu6", y), rate=0.1)
        y = self.apply("conv", y, key="project", out=channels, kernel=(1, 1), sets=sets)
        return self.apply("batch_norm", self.apply_binary("add", x, y), key="norm", sets=Index("t", self.times))

    def emit(self, x: Value) -> None:
        with self.b.body() as statements:
            y = self.apply(
                "conv", x, key="head", out=self.classes, kernel=(1, 1), bias=True, sets=Index("t", self.exits)
            )
            y = self.b.apply(LAYERS["resize"](y.tensor, like=self.image.tensor, mode="bilinear").op, [y, self.image])
        self.b.add(Emit("t", self.exits, close(statements, [y])))


def itnet(
    f: int = 51,
    iterations: int = 16,
    exits: Sequence[int] = (1, 2, 4, 6, 8, 10, 12, 16),
    size: Pair = (360, 480),
    shared: bool = True,
) -> Net:
    """The paper's ItNet for CamVid, or smaller."""
    return ItNet(f, iterations, exits, size, shared).net()


def small_itnet(iterations: int = 4, shared: bool = True) -> Net:
    """An ItNet of a few kilobytes."""
    return itnet(9, iterations, (1, iterations), (24, 32), shared)
