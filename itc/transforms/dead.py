"""Dead code elimination: removes statements and parameters that no output depends on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When, children, walk
from itc.ir.uses import inner_values, results
from itc.passes import Pass, Rewritten
from itc.transforms.expansion import expand
from itc.transforms.loop_plans import Plan
from itc.transforms.rewriting import stable, where


@dataclass(frozen=True)
class DeadCode(Pass):
    """Removes operations, carries, results of branches and exits that no output depends on.

    Iterations after the last exit are removed if the final carries are unused. Unused parameters are removed; weights
    of the original net still load, without them. A series keeps all its exits. Inputs stay, as the interface of the
    net.
    """

    name: ClassVar[str] = "dce"
    summary: ClassVar[str] = (
        "dead code elimination: statements, carries, exits and parameters that no output depends on"
    )

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(stable(self.once, net))

    def once(self, net: Net) -> Net:
        net = _Eliminator(net).net()
        ends = _ends(net)
        return expand(net, lambda loop: Plan(0, stop=ends[loop.var]) if loop.var in ends else None) if ends else net


def _ends(net: Net) -> dict[str, int]:
    """By loop variable, the last exit of each loop whose later iterations are dead."""
    needed = needs(net)
    ends = {}
    for loop in (s for s in walk(net.body) if isinstance(s, Loop) and s.emits and not s.each and not s.halt):
        last = max(emit.iterations.last for emit in loop.emits)
        if last < loop.count and not any(value.name in needed for value in loop.carry_results):
            ends[loop.var] = last
    return ends


def needs(net: Net) -> set[str]:
    """Names of all values that an output depends on, in time of the size of the program.

    A loop that halts keeps at least one carry.
    """
    sources: dict[str, list[str]] = {}
    for statement in walk(net.body):
        for value, read in _edges(statement):
            sources.setdefault(value.name, []).append(read.name)
    halting = [s for s in walk(net.body) if isinstance(s, Loop) and s.halt and s.carries]
    needed: set[str] = set()
    pending = [output.value.name for output in net.outputs]
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending += sources.get(name, ())
        if not pending:
            pending += [s.carry_results[0].name for s in halting if _lacks_carries(s, needed)]
    return needed


def _lacks_carries(loop: Loop, needed: set[str]) -> bool:
    """Whether only the number of iterations of a loop is needed."""
    carried = {value.name for value in (*inner_values(loop), *loop.carry_results)}
    return carried.isdisjoint(needed) and any(value.name in needed for value in loop.halt_results)


def _edges(statement: Statement) -> Iterator[tuple[Value, Value]]:
    """Pairs of a value and a value that it depends on."""
    match statement:
        case Apply():
            yield from ((result, value) for result in statement.results for value in statement.values)
        case When():
            for body in children(statement):
                yield from zip(statement.results, body.yields, strict=True)
        case Loop():
            yield from _loop_edges(statement)


def _loop_edges(loop: Loop) -> Iterator[tuple[Value, Value]]:
    yield from ((each.inner, each.series) for each in loop.each)
    for carry, after, result in zip(loop.carries, loop.body.yields, loop.carry_results, strict=True):
        for value in (carry.inner, result):
            yield from ((value, carry.init), (value, after))
        yield result, carry.inner
        if loop.halt:
            yield result, loop.halt.score
            yield carry.inner, loop.halt.score
    if loop.halt:
        yield from ((value, loop.halt.score) for value in loop.halt_results)
    for emit, series in loop.collected:
        yield from zip(series, emit.body.yields, strict=True)


class _Eliminator:
    """Rebuilds the net with needed statements only."""

    def __init__(self, net: Net) -> None:
        self.old = net
        self.needed = needs(net)

    def net(self) -> Net:
        return self.old.with_body(self.statements(self.old.body))

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(
            self.statement(s)
            for s in statements
            if isinstance(s, Emit) or any(value.name in self.needed for value in self.defined(s))
        )

    def defined(self, statement: Statement) -> Iterator[Value]:
        """Values that keep a statement if needed: its results, or values visible only inside it."""
        yield from results(statement)
        if isinstance(statement, Loop):
            yield from (carry.inner for carry in statement.carries)

    def statement(self, statement: Statement) -> Statement:
        match statement:
            case Apply():
                return statement
            case Loop():
                return self.loop(statement)
            case When():
                kept = [value.name in self.needed for value in statement.results]
                body, otherwise = (self.body(each, kept) for each in children(statement))
                return replace(statement, body=body, otherwise=otherwise, results=where(kept, statement.results))
            case Emit():
                raise AssertionError("the loop around takes it")

    def body(self, body: Body, kept: list[bool]) -> Body:
        return Body(self.statements(body.statements), where(kept, body.yields))

    def loop(self, loop: Loop) -> Loop:
        carried = [
            bool({c.inner.name, r.name} & self.needed) for c, r in zip(loop.carries, loop.carry_results, strict=True)
        ]
        emits: dict[int, tuple[Emit, tuple[Value, ...]]] = {}
        for emit, series in loop.collected:
            kept = [value.name in self.needed for value in series]
            if any(kept):
                emits[id(emit)] = replace(emit, body=self.body(emit.body, kept)), where(kept, series)
        inside: list[Statement] = []
        for statement in loop.body.statements:
            if not isinstance(statement, Emit):
                inside += self.statements((statement,))
            elif id(statement) in emits:
                inside.append(emits[id(statement)][0])
        collected = (value for _, series in emits.values() for value in series)
        return replace(
            loop,
            carries=where(carried, loop.carries),
            each=tuple(each for each in loop.each if each.inner.name in self.needed),
            body=Body(tuple(inside), where(carried, loop.body.yields)),
            results=(*where(carried, loop.carry_results), *collected, *loop.halt_results),
        )
