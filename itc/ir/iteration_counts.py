"""A net whose loops run another number of iterations on the same parameters: train with R, test with more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import index as whole_number

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.iterations import IterationSet
from itc.ir.net import (
    Apply,
    Body,
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
    applies,
    walk,
)
from itc.ir.types import SeriesType

Iterations = int | Mapping[str, int]
#: Limits as of specs.
MAX_ITERATIONS, MAX_EXITS = 1_000_000, 1_000


def with_iterations(net: Net, iterations: Iterations) -> Net:
    """`net` with `iterations` of its loop, or of each loop that is named, by the same parameters.

    Exits and conditions follow the loop: those of all iterations, of every n-th, or of all from one on go on to the new
    last iteration, one at the last iteration moves to it, others stay, and those beyond it are gone. An `each` loop
    over the iterations runs as often. Raises CompileError where private parameters have fewer sets (E0422) and for a
    loop that there is not (E0423), and numbers below 1 (E0424).
    """
    counts = _by_variable(net, iterations)
    changed = {loop.var: counts[loop.var] for loop in _loops(net) if counts.get(loop.var, loop.count) != loop.count}
    return _Longer(net, changed).net() if changed else net


def loop_names(net: Net) -> dict[str, str]:
    """Each loop's variable by its name: the path of its parameters' keys, or the variable where it has none."""
    names: dict[str, str] = {}
    for loop in _loops(net):
        name = _path(loop) or loop.var
        names[loop.var if name in names else name] = loop.var
    return names


def _loops(net: Net) -> list[Loop]:
    return [statement for statement in walk(net.body) if isinstance(statement, Loop)]


def _path(loop: Loop) -> str:
    """The first segments that the keys of the body have in common, without those of its exits."""
    inside = tuple(statement for statement in loop.body.statements if not isinstance(statement, Emit))
    paths = [ref.key.split(".")[:-1] for apply in applies(inside) for ref in apply.refs]
    common = []
    for segments in zip(*paths, strict=False):
        if len(set(segments)) > 1:
            break
        common.append(segments[0])
    return common[0] if common else ""


def _by_variable(net: Net, iterations: Iterations) -> dict[str, int]:
    """The number of iterations by the loop's variable (E0423)."""
    names = loop_names(net)
    if isinstance(iterations, Mapping):
        unknown = [name for name in iterations if name not in names]
        if unknown:
            raise _no_loop(net, f"{net.name} has no loop `{unknown[0]}`")
        return {names[name]: _checked(net, count) for name, count in iterations.items()}
    if not names:
        raise _no_loop(net, f"{net.name} has no loop")
    each = {loop.var for loop in _loops(net) if loop.each}
    free = [var for var in names.values() if var not in each]
    if len(free) > 1:
        raise _no_loop(net, f"{net.name} has {len(free)} loops")
    return {(free or list(names.values()))[0]: _checked(net, iterations)}


def _no_loop(net: Net, message: str) -> CompileError:
    names = list(loop_names(net))
    help = f"name the loop: {', '.join(f'{name}=8' for name in names)}" if names else "leave out the iterations"
    return CompileError([Diagnostic("E0423", message, Label(net.span) if net.span else None, help=help)])


def _checked(net: Net, count: int) -> int:
    count = whole_number(count)
    if not 1 <= count <= MAX_ITERATIONS:
        message = f"a loop has 1 to {MAX_ITERATIONS:,} iterations, not {count}"
        label = Label(net.span) if net.span else None
        raise CompileError([Diagnostic("E0424", message, label, help="for example `iterations=8`")])
    return count


def followed(chosen: IterationSet, count: int, new: int) -> IterationSet:
    """What iterations of a loop of `count` become in one of `new`; see `with_iterations`."""
    if not chosen.runs:
        return chosen
    step, *_ = chosen.runs[0]
    if chosen == IterationSet.joined([range(step, count + 1, step)]) and len(chosen) > 1:
        return IterationSet.joined([range(step, new + 1, step)])
    *before, last = chosen.runs
    if len(last) > 1 and last[-1] + last.step > count:
        return IterationSet.joined([*before, range(last[0], max(new, last[-1]) + 1, last.step)]).clip(1, new)
    if chosen.last == count:
        return IterationSet.of([*chosen.clip(1, min(new, count - 1)), new])
    return chosen.clip(1, new)


class _Longer:
    """Rewrites a net for new counts of loops, by variable; `series` are those whose length changes, by name."""

    def __init__(self, original: Net, counts: dict[str, int]) -> None:
        self.original = original
        self.counts = counts
        self.old = {loop.var: loop.count for loop in _loops(original)}
        self.series: dict[str, Value] = {}
        self.emitted: dict[str, tuple[IterationSet, IterationSet]] = {}

    def net(self) -> Net:
        body = self.statements(self.original.body)
        outputs = tuple(map(self.output, self.original.outputs))
        if any(output.at and len(output.at) > MAX_EXITS for output in outputs):
            raise self.refused(f"an output has at most {MAX_EXITS:,} exits", "give the exits as a list")
        return replace(self.original, body=body, outputs=outputs)

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(map(self.statement, statements))

    def body(self, body: Body) -> Body:
        return Body(self.statements(body.statements), body.yields)

    def statement(self, statement: Statement) -> Statement:
        match statement:
            case Apply():
                return replace(statement, operands=tuple(map(self.operand, statement.operands)))
            case Loop():
                return self.loop(statement)
            case When():
                iterations = self.follow(statement.var, statement.iterations)
                body, otherwise = self.body(statement.body), self.body(statement.otherwise)
                return replace(statement, iterations=iterations, body=body, otherwise=otherwise)
            case Emit():
                iterations = self.follow(statement.var, statement.iterations)
                return replace(statement, iterations=iterations, body=self.body(statement.body))

    def follow(self, var: str, chosen: IterationSet) -> IterationSet:
        return followed(chosen, self.old[var], self.counts[var]) if var in self.counts else chosen

    def loop(self, loop: Loop) -> Loop:
        each = tuple(Each(e.inner, self.series.get(e.series.name, e.series)) for e in loop.each)
        lengths = {e.series.type.count for e in each if isinstance(e.series.type, SeriesType)}
        if each and lengths != {loop.count}:
            self.counts[loop.var] = min(lengths)
        count = self.counts.get(loop.var, loop.count)
        body = self.body(loop.body)
        longer = replace(loop, count=count, each=each, body=body)
        results = list(loop.results)
        for (old, values), (new, _) in zip(loop.collected, longer.collected, strict=True):
            for value in values:
                results[results.index(value)] = self.lengthened(value, old.iterations, new.iterations)
        return replace(longer, results=tuple(results))

    def lengthened(self, value: Value, old: IterationSet, new: IterationSet) -> Value:
        assert isinstance(value.type, SeriesType)
        self.emitted[value.name] = (old, new)
        self.series[value.name] = replace(value, type=replace(value.type, count=len(new)))
        return self.series[value.name]

    def operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Value):
            return operand
        return replace(operand, index=tuple(self.index(operand, index) for index in operand.index))

    def index(self, ref: ParamRef, index: Index | int) -> Index | int:
        """The index of a private parameter, which has no more sets than before (E0422)."""
        if isinstance(index, int) or index.var not in self.counts:
            return index
        new = replace(index, over=self.follow(index.var, index.over))
        if index.step != 1 or index.offset:
            raise self.refused("a loop that a pass has unrolled or peeled keeps its iterations", "leave out the pass")
        if new.count > index.count:
            message = f"`{ref.key}` has {index.count} sets, one for each of its iterations, and {new.count} are needed"
            raise self.refused(message, "share it between iterations, or run at most as many")
        return new

    def output(self, output: Output) -> Output:
        value = self.series.get(output.value.name, output.value)
        if output.at is None or output.value.name not in self.emitted:
            return replace(output, value=value)
        old, new = self.emitted[output.value.name]
        if output.at != old:
            raise self.refused("a loop that a pass has unrolled or peeled keeps its iterations", "leave out the pass")
        return replace(output, value=value, at=new, weights=_weights(output, len(new)))

    def refused(self, message: str, help: str) -> CompileError:
        label = Label(self.original.span) if self.original.span else None
        return CompileError([Diagnostic("E0422", message, label, help=help)])


def _weights(output: Output, exits: int) -> tuple[float, ...]:
    """A weight for each exit: the last exit keeps its weight, and more of them have it."""
    if len(output.weights) == 1:
        return output.weights
    *before, last = output.weights
    return (*before[: exits - 1], *[last] * (exits - min(len(before), exits - 1)))
