"""Draws one random net, statement by statement: valid by construction, and simplest where draws are at their least."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from math import prod
from typing import Any

from itc.ir import (
    Body,
    Carry,
    Each,
    Emit,
    Halt,
    IterationSet,
    Loop,
    Net,
    Output,
    SeriesType,
    TensorType,
    Value,
    When,
    close,
)  # fmt: skip
from tests.net_arrangements import Arrangements
from tests.net_operations import MAX_RUNS, SMALL, Limits

__all__ = ["SMALL", "Generator", "Limits"]


class Generator(Arrangements):
    """Draws one net."""

    @contextmanager
    def inner(self, var: str | None = None, iterations: IterationSet | None = None) -> Any:
        """A scope that ends; inside, only `iterations` of loop `var` are reached."""
        outside, reach = self.scope, dict(self.reach)
        self.scope = outside.copy()
        if var is not None and iterations is not None:
            self.reach[var] = iterations
        try:
            with self.builder.body() as statements:
                yield statements
        finally:
            self.scope, self.reach = outside, reach

    def statement(self) -> None:
        kinds: list[Callable[[], Any]] = [self.operation, self.operation]
        if self.reach:
            kinds += [self.operation, self.when, self.when]
        if self.depth < self.limits.depth and self.runs() * 2 <= MAX_RUNS:
            kinds.append(self.loop)
        self.pick(kinds)()

    def statements(self, least: int = 0) -> None:
        for _ in range(self.number(least, self.limits.statements)):
            self.statement()

    def runs(self) -> int:
        return prod((len(over) for over in self.reach.values()), start=1)

    def when(self) -> None:
        """A region over some iterations of a loop around, and other code in the others."""
        var = self.recent(list(self.reach))
        reached = self.reach[var]
        chosen = self.subset(reached)
        samples = [self.recent(self.live_tensors()) for _ in range(self.number(1, 2))]
        tied = self.tied(samples[0]) if self.chance() else (lambda: samples[0])
        bodies = [self.branch(var, part, samples, tied) for part in (chosen, reached.difference(chosen))]
        results = tuple(self.builder.value(sample.type) for sample in samples)
        self.builder.add(When(var, chosen, *bodies, results))
        for result in results:
            self.define(result)

    def tied(self, x: Value) -> Callable[[], Value]:
        """Applies a layer to `x` whose parameters both branches read, over all iterations that reach the region."""
        layer = self.layer("conv" if len(x.tensor.shape) == 3 else "linear", x.tensor, x.tensor.channels)
        refs = self.params(layer.params)
        return lambda: self.define(self.builder.apply(layer.op, [x, *refs]))

    def branch(self, var: str, iterations: IterationSet, samples: list[Value], tied: Callable[[], Value]) -> Body:
        """One side of a region; nothing but what is there already where no iteration takes it."""
        if not iterations.runs:
            return Body((), tuple(samples))
        with self.inner(var, iterations) as statements:
            tied()
            for _ in range(self.number(0, 2)):
                self.statement()
            yields = [self.next(sample) if self.chance() else sample for sample in samples]
        return close(statements, yields)

    def next(self, x: Value) -> Value:
        """A value of the type of `x`, made of what is in scope."""
        y = self.fitted(self.recent(self.live_tensors()), x)
        if y != x and not self.chance():
            return y
        y = self.call(self.layer("batch_norm", y.tensor), y)
        return self.call(self.layer(self.pick(("tanh", "relu6")), y.tensor), y)

    def loop(self) -> None:
        walked = [self.recent(self.scope.series)] if self.scope.series and self.chance() else []
        limit = max(1, MAX_RUNS // self.runs())
        walked = [series for series in walked if _count(series) <= limit]
        count = _count(walked[0]) if walked else self.number(1, min(self.limits.iterations, limit))
        inits = [self.init() for _ in range(self.number(1, 3))]
        var = self.builder.fresh("t")
        self.reach[var] = IterationSet.span(1, count)
        self.depth += 1
        halts = self.limits.halting and self.chance()
        with self.inner(var, self.reach[var]) as statements:
            each = [Each(self.define(self.builder.value(_element(s))), s) for s in walked]
            carries = [Carry(self.carried(init), init) for init in inits]
            self.statements(1)
            emits = [] if halts else [self.emit(var, count) for _ in range(self.number(0, 2))]
            self.statements()
            halt = self.halt() if halts else None
            yields = [self.next(carry.inner) for carry in carries]
            if emits and self.chance():
                emits.append(self.emit(var, count))
        self.depth -= 1
        del self.reach[var]
        self.finish(Loop(var, count, tuple(carries), close(statements, yields), (), tuple(each), halt), emits)

    def halt(self) -> Halt:
        """A way to end early, by a score that is made here."""
        x = self.recent(self.live_tensors())
        x = self.call(self.layer("global_pool", x.tensor), x) if len(x.tensor.shape) == 3 else x
        score = self.call(self.layer("linear", x.tensor, 1), x)
        score = self.call(self.layer("sigmoid", score.tensor), score)
        return self.pick((Halt("act", score, 0.25, 0.5), Halt("above", score, 0.5), Halt("below", score, 0.5)))

    def init(self) -> Value:
        """What a carry starts as: a value in scope, or a fill of its sizes."""
        x = self.recent(self.live_tensors())
        return x if not self.chance() else self.fill(x)

    def carried(self, init: Value) -> Value:
        return self.define(self.builder.value(init.type), init.name in self.scope.live)

    def emit(self, var: str, count: int) -> Emit:
        """A head at some exits, or what the body has in all iterations."""
        exits = IterationSet.span(1, count)
        with self.inner(var, exits if self.chance() else self.subset(exits)) as statements:
            exits = self.reach[var]
            for _ in range(self.number(0, 2)):
                self.operation()
            yields = [self.recent(self.live_tensors()) for _ in range(self.number(1, 2))]
        emit = Emit(var, exits, close(statements, yields))
        self.builder.add(emit)
        return emit

    def finish(self, loop: Loop, emits: list[Emit]) -> None:
        """Adds `loop` with its results; series of the outermost loops may become outputs."""
        carried = [self.builder.value(c.inner.type) for c in loop.carries]
        series = [
            [self.builder.value(SeriesType(len(emit.iterations), v.tensor)) for v in emit.body.yields] for emit in emits
        ]
        halted = [self.builder.value(loop.halt.score.type) for _ in range(loop.halt_count)] if loop.halt else []
        results = (*carried, *(value for values in series for value in values), *halted)
        self.builder.add(Loop(loop.var, loop.count, loop.carries, loop.body, results, loop.each, loop.halt))
        for value in results:
            self.define(value, live=value not in halted[:1])
        if not self.reach:
            self.outputs += [(v, e.iterations) for e, values in zip(emits, series, strict=True) for v in values]

    # The net

    def inputs(self) -> None:
        shape = (self.number(1, 4), self.number(4, self.limits.size), self.number(4, self.limits.size))
        self.define(self.builder.input("image", TensorType("f32", shape)))
        if self.chance():
            more = self.pick(((self.number(2, 6),), shape, (2, 5, 7)))
            self.define(self.builder.input("more", TensorType("f32", more)))

    def net(self) -> Net:
        self.inputs()
        self.statements()
        if self.limits.depth and self.chance():
            self.loop()
            self.statements()
        made = [v for v in self.live_tensors() if v not in self.builder.inputs]
        if not made or self.chance():
            made.append(self.operation())
        self.outputs += [(v, None) for v in dict.fromkeys(self.recent(made) for _ in range(self.number(1, 2)))]
        return self.builder.net([self.output(n, *o) for n, o in enumerate(self.outputs)])

    def output(self, number: int, value: Value, at: IterationSet | None) -> Output:
        loss = self.pick(("", "cross_entropy"))
        weights = (1.0,) if at is None or not self.chance() else tuple(float(n) for n in at)
        return Output(f"out{number}", value, at, loss, weights if loss else (1.0,))


def _count(series: Value) -> int:
    assert isinstance(series.type, SeriesType)
    return series.type.count


def _element(series: Value) -> TensorType:
    assert isinstance(series.type, SeriesType)
    return series.type.element
