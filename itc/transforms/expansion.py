"""Full and partial unrolling of loops: maps a net and a plan per loop to an equivalent net.

In a clone of a loop's body, the original iteration is a constant or an affine function of the new loop's iteration:
set indices become constants or keep their sets through `Index.step` and `offset`, conditions on all or no iterations
are resolved, and exits become plain values or shorter series. Keys, sets and labels stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from itc.ir.iterations import IterationSet
from itc.ir.net import (
    Apply,
    Body,
    Carry,
    Each,
    Emit,
    Index,
    Loop,
    Net,
    Operand,
    Output,
    ParamRef,
    Statement,
    Value,
    When,
)
from itc.ir.ops.pointwise import Affine
from itc.ir.types import SeriesType
from itc.ir.uses import results
from itc.transforms.loop_plans import Plan, Planner, planned
from itc.transforms.rewriting import Names, scores


@dataclass(frozen=True, slots=True)
class AffineIteration:
    """The original iteration in a clone of a body: `step * t + offset` in iteration t of the new loop `var`."""

    var: str
    step: int
    offset: int


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a series collected by a new loop."""

    series: Value
    exit: int


Single = Value | Element


def expand(net: Net, planner: Planner) -> Net:
    """`net` with loops expanded by their plans, in time of the size of the result.

    A loop is not expanded if it shares a series with a loop that stays.
    """
    return _Expansion(net, planned(net, planner)).net()


class _Expansion:
    """Clones statements; `env` maps old values to new ones, `at` enclosing loops to their current iteration."""

    def __init__(self, net: Net, plans: dict[str, Plan]) -> None:
        self.old = net
        self.plans = plans
        self.names = Names(net)
        self.scores = scores(net)
        self.env: dict[str, Value | list[Single]] = {}
        self.at: dict[str, int | AffineIteration] = {}
        self.reach: dict[str, IterationSet] = {}
        self.suffix = ""
        self.out: list[Statement] = []

    def net(self) -> Net:
        self.statements(self.old.body)
        outputs = tuple(new for output in self.old.outputs for new in self.outputs(output))
        return replace(self.old, body=tuple(self.out), outputs=outputs)

    # Values

    def value(self, old: Value) -> Value:
        new = self.env.get(old.name, old)
        assert isinstance(new, Value), f"%{old.name} is split into several series"
        return new

    def define(self, old: Value, type: Value | None = None) -> Value:
        """A new value for an old one."""
        new = Value(self.names.fresh(old.name, self.suffix), (type or old).type)
        self.env[old.name] = new
        return new

    def bind(self, old: Value, new: Value | list[Single]) -> None:
        """Replaces `old` by `new`; a halting score must be defined in its body, by an identity operation if needed."""
        if old.name in self.scores and isinstance(new, Value) and not any(new in results(s) for s in self.out):
            self.out.append(Apply(Affine(), (new,), (self.define(old),)))
            return
        self.env[old.name] = new

    def outputs(self, output: Output) -> list[Output]:
        """An output, or several for a series that has been split into plain values and shorter series."""
        current = self.env.get(output.value.name, output.value)
        if isinstance(current, Value):
            return [replace(output, value=current)]
        assert output.at is not None
        weights = output.weights * len(output.at) if len(output.weights) == 1 else output.weights
        pieces: dict[str, list[tuple[int, float]]] = {}
        out: list[Output] = []
        for n, weight, single in zip(output.at, weights, current, strict=True):
            if isinstance(single, Value):
                out.append(Output(f"{output.name}@{n}", single, None, output.loss, (weight,)))
            else:
                pieces.setdefault(single.series.name, []).append((n, weight))
        series = {s.series.name: s.series for s in current if isinstance(s, Element)}
        for name, exits in pieces.items():
            own = output.weights if len(output.weights) == 1 else tuple(weight for _, weight in exits)
            at = IterationSet.of(n for n, _ in exits)
            out.append(replace(output, value=series[name], at=at, weights=own))
        return out

    # Statements

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    operands = tuple(self.operand(o) for o in statement.operands)
                    new = tuple(self.define(value) for value in statement.results)
                    self.out.append(replace(statement, operands=operands, results=new))
                case Loop(var=var):
                    plan = self.plans.get(var)
                    self.kept(statement) if plan is None else self.expanded(statement, plan)
                case When():
                    self.when(statement)
                case Emit():
                    self.emit(statement)

    def operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Value):
            return self.value(operand)
        return ParamRef(operand.key, tuple(self.index(i) for i in operand.index))

    def index(self, index: Index | int) -> Index | int:
        if isinstance(index, int):
            return index
        original = self.at[index.var]
        if isinstance(original, int):
            return index.at(original)
        return replace(
            index, var=original.var, step=index.step * original.step, offset=index.step * original.offset + index.offset
        )

    def body(self, body: Body) -> Body:
        """A nested body."""
        outside, self.out = self.out, []
        self.statements(body.statements)
        new = Body(tuple(self.out), tuple(self.value(value) for value in body.yields))
        self.out = outside
        return new

    def chosen(self, var: str, iterations: IterationSet) -> tuple[bool | IterationSet, str]:
        """Whether a condition always or never holds here; else the iterations, and the loop, in which it holds."""
        original = self.at[var]
        if isinstance(original, int):
            return original in iterations, ""
        reached = self.reach[original.var]
        preimage = iterations.preimage(original.step, original.offset, reached.last).intersection(reached)
        if not preimage.runs:
            return False, original.var
        return (True if preimage == reached else preimage), original.var

    def when(self, when: When) -> None:
        holds, var = self.chosen(when.var, when.iterations)
        if isinstance(holds, bool):
            taken = when.body if holds else when.otherwise
            self.statements(taken.statements)
            for result, value in zip(when.results, taken.yields, strict=True):
                self.bind(result, self.env.get(value.name, value))
            return
        reached = self.reach[var]
        self.reach[var] = holds
        body = self.body(when.body)
        self.reach[var] = reached.difference(holds)
        otherwise = self.body(when.otherwise)
        self.reach[var] = reached
        new = tuple(self.define(result) for result in when.results)
        self.out.append(replace(when, var=var, iterations=holds, body=body, otherwise=otherwise, results=new))

    def emit(self, emit: Emit) -> None:
        """An emit of a loop that is not expanded."""
        original = self.at[emit.var]
        assert isinstance(original, AffineIteration)
        self.out.append(self.rolled_emit(emit, original.var, emit.iterations))

    def rolled_emit(self, emit: Emit, var: str, exits: IterationSet) -> Emit:
        reached = self.reach[var]
        self.reach[var] = exits
        body = self.body(emit.body)
        self.reach[var] = reached
        return replace(emit, var=var, iterations=exits, body=body)

    # Loops

    def kept(self, loop: Loop) -> None:
        each = [(e.inner, self.value(e.series)) for e in loop.each]
        inits = [self.value(carry.init) for carry in loop.carries]
        var = self.begin(loop, loop.count, AffineIteration("", 1, 0))
        elements = tuple(Each(self.define(inner), series) for inner, series in each)
        carries = tuple(Carry(self.define(c.inner), init) for c, init in zip(loop.carries, inits, strict=True))
        body = self.body(loop.body)
        halt = replace(loop.halt, score=self.value(loop.halt.score)) if loop.halt else None
        self.finish(loop, replace(loop, var=var, carries=carries, body=body, each=elements, halt=halt))

    def begin(self, loop: Loop, count: int, original: AffineIteration) -> str:
        """Starts a rolled loop of `count` iterations that replaces `loop`."""
        var = self.names.fresh(loop.var, self.suffix)
        self.at[loop.var] = replace(original, var=var)
        self.reach[var] = IterationSet.span(1, count)
        return var

    def finish(self, loop: Loop, new: Loop) -> None:
        self.out.append(replace(new, results=tuple(self.define(value) for value in loop.results)))

    def expanded(self, loop: Loop, plan: Plan) -> None:
        first, count, end = plan.split(loop.count)
        clones = _BodyClones(self, loop, end)
        for t in range(1, first + 1):
            clones.iteration(t)
        if count:
            clones.rolled(first, count, plan.factor)
        for t in range(first + count * plan.factor + 1, end + 1):
            clones.iteration(t)
        clones.finish()


class _BodyClones:
    """The clones of one loop's body: current values of the carries, and collected elements of series."""

    def __init__(self, expansion: _Expansion, loop: Loop, end: int) -> None:
        self.to = expansion
        self.loop = loop
        self.end = end
        self.suffix = expansion.suffix
        self.carried: list[Value | list[Single]] = [self.current(carry.init) for carry in loop.carries]
        self.series: dict[str, dict[int, Single]] = {v.name: {} for _, values in loop.collected for v in values}

    def current(self, value: Value) -> Value | list[Single]:
        return self.to.env.get(value.name, value)

    def run(self, emit: Callable[[Emit, tuple[Value, ...]], None]) -> None:
        """Clones the body on the current carries; `emit` receives each emit with its series."""
        for carry, value in zip(self.loop.carries, self.carried, strict=True):
            self.to.bind(carry.inner, value)
        collected = iter(self.loop.collected)
        for statement in self.loop.body.statements:
            if isinstance(statement, Emit):
                emit(statement, next(collected)[1])
            else:
                self.to.statements((statement,))
        self.carried = [self.current(value) for value in self.loop.body.yields]

    def iteration(self, iteration: int) -> None:
        """Clones the body for a constant iteration."""
        self.to.at[self.loop.var] = iteration
        self.to.suffix = f"{self.suffix}_{self.loop.var}{iteration}" if self.end > 1 else self.suffix
        for each in self.loop.each:
            elements = self.current(each.series)
            assert isinstance(elements, list)
            element = elements[iteration - 1]
            assert isinstance(element, Value)
            self.to.bind(each.inner, element)

        def emit(statement: Emit, series: tuple[Value, ...]) -> None:
            if iteration not in statement.iterations:
                return
            self.to.statements(statement.body.statements)
            for result, value in zip(series, statement.body.yields, strict=True):
                self.series[result.name][iteration] = self.to.value(value)

        self.run(emit)
        self.to.suffix = self.suffix

    def rolled(self, before: int, count: int, factor: int) -> None:
        """A loop of `count` iterations after iteration `before`, with `factor` clones of the body."""
        to, loop = self.to, self.loop
        inits = []
        for value in self.carried:
            assert isinstance(value, Value), "a carried series is not split"
            inits.append(value)
        var = to.begin(loop, count, AffineIteration("", factor, before))
        outside, to.out = to.out, []
        inner = [to.define(carry.inner) for carry in loop.carries]
        self.carried = [*inner]
        emitted: list[tuple[Value, IterationSet, int, str]] = []
        for clone in range(1, factor + 1):
            to.at[loop.var] = original = AffineIteration(var, factor, before + clone - factor)
            to.suffix = f"{self.suffix}_c{clone}" if factor > 1 else self.suffix

            def emit(statement: Emit, series: tuple[Value, ...], original: AffineIteration = original) -> None:
                exits = statement.iterations.preimage(original.step, original.offset, count)
                if exits.runs:
                    to.out.append(to.rolled_emit(statement, var, exits))
                    emitted.extend((result, exits, original.offset, to.suffix) for result in series)

            self.run(emit)
        to.suffix = self.suffix
        yields = tuple(value for value in self.carried if isinstance(value, Value))
        carries = tuple(Carry(i, init) for i, init in zip(inner, inits, strict=True))
        body = Body(tuple(to.out), yields)
        to.out = outside
        final = tuple(to.define(value) for value in loop.carry_results)
        collected = tuple(self.collected(v, exits, factor, offset, end) for v, exits, offset, end in emitted)
        to.out.append(replace(loop, var=var, count=count, carries=carries, body=body, results=(*final, *collected)))
        self.carried = [*final]

    def collected(self, result: Value, exits: IterationSet, step: int, offset: int, suffix: str) -> Value:
        """The series, of the new loop, of some elements of `result`."""
        assert isinstance(result.type, SeriesType)
        if not suffix and len(exits) < result.type.count:
            suffix = "_left"
        new = Value(self.to.names.fresh(result.name, suffix), replace(result.type, count=len(exits)))
        self.series[result.name] |= {step * t + offset: Element(new, step * t + offset) for t in exits}
        return new

    def finish(self) -> None:
        """Replaces the results of the loop by those of the clones."""
        for result, value in zip(self.loop.carry_results, self.carried, strict=True):
            self.to.bind(result, value)
        for name, elements in self.series.items():
            self.to.env[name] = self.whole([elements[t] for t in sorted(elements)])

    def whole(self, elements: list[Single]) -> Value | list[Single]:
        """A single series if all elements belong to one."""
        owners = {single.series if isinstance(single, Element) else None for single in elements}
        (owner, *others) = owners
        return owner if owner is not None and not others else elements
