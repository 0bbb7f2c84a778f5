"""Costs by brute force: the net run iteration by iteration on depths and counts in place of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from itc.ir import Apply, Body, Emit, Loop, Net, ParamRef, Statement, Value, When

Sets = tuple[int, ...]


@dataclass
class Event:
    """One run of an operation, in one iteration of each loop around it."""

    apply: Apply
    sets: tuple[tuple[str, Sets], ...]


@dataclass
class Walk:
    """Runs every iteration in the text's order; a value is its depth, a series the list of its elements' depths.

    `stop` is an iteration of a loop of the net and an emit of its body, behind which the walk ends.
    """

    net: Net
    stop: tuple[Loop, int, int] | None = None
    events: list[Event] = field(default_factory=list)
    depths: dict[str, Any] = field(default_factory=dict)
    iteration: dict[str, int] = field(default_factory=dict)
    done: bool = False

    def run(self) -> Walk:
        self.depths = {value.name: 0 for value in self.net.inputs}
        self.statements(self.net.body)
        return self

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            if self.done:
                return
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    taken = self.iteration[statement.var] in list(statement.iterations)
                    yields = self.body(statement.body if taken else statement.otherwise)
                    self.depths |= zip((v.name for v in statement.results), yields, strict=True)
                case Emit():
                    pass

    def body(self, body: Body) -> list[Any]:
        self.statements(body.statements)
        return [self.depths[value.name] for value in body.yields]

    def apply(self, apply: Apply) -> None:
        self.events.append(Event(apply, tuple((ref.key, self.sets(ref)) for ref in apply.refs)))
        read = [
            self.depths[o.name]
            for position, o in enumerate(apply.operands)
            if isinstance(o, Value) and position not in apply.op.shape_only
        ]
        self.depths[apply.result.name] = max(read, default=-inf) + apply.op.counted

    def sets(self, ref: ParamRef) -> Sets:
        return tuple(i if isinstance(i, int) else i.at(self.iteration[i.var]) for i in ref.index)

    def loop(self, loop: Loop) -> None:
        carried = [self.depths[c.init.name] for c in loop.carries]
        series: list[list[float]] = [[] for _ in loop.results[len(carried) :]]
        for t in range(1, loop.count + 1):
            self.iteration[loop.var] = t
            self.depths |= zip((c.inner.name for c in loop.carries), carried, strict=True)
            self.depths |= {e.inner.name: self.depths[e.series.name][t - 1] for e in loop.each}
            self.iterate(loop, t, series)
            if self.done:
                return
            carried = [self.depths[value.name] for value in loop.body.yields]
        self.depths |= zip((v.name for v in loop.results), [*carried, *series], strict=True)

    def iterate(self, loop: Loop, t: int, series: list[list[float]]) -> None:
        """One iteration, down to the emit behind which the walk ends."""
        collected, emits = iter(series), iter(range(len(loop.emits)))
        for statement in loop.body.statements:
            if not isinstance(statement, Emit):
                self.statements((statement,))
                continue
            own = [next(collected) for _ in statement.body.yields]
            if t in list(statement.iterations):
                for elements, depth in zip(own, self.body(statement.body), strict=True):
                    elements.append(depth)
            if self.stop == (loop, t, next(emits)):
                self.done = True
                return


def macs(net: Net, events: list[Event]) -> int:
    return sum(e.apply.op.macs(*net.operand_types(e.apply)) for e in events)


def params(net: Net, events: list[Event]) -> int:
    read = {pair for event in events for pair in event.sets if net.param[pair[0]].trained}
    return sum(net.param[key].type.size for key, _ in read)


def graph_bytes(net: Net, events: list[Event]) -> int:
    """Over the unique nodes (an operation with the sets that it read), bytes of parameters, inputs and outputs."""
    nodes = {(id(e.apply), e.sets): e.apply for e in events if e.apply.op.counted}
    return sum(_node_bytes(net, apply) for apply in nodes.values())


def _node_bytes(net: Net, apply: Apply) -> int:
    tensors = [*net.operand_types(apply), *(value.tensor for value in apply.results)]
    return sum(4 * type.size for type in tensors)


def latencies(net: Net, depths: Mapping[str, Any]) -> dict[str, int]:
    out: dict[str, int] = {}
    for output in net.outputs:
        found = depths[output.value.name]
        elements = found if isinstance(found, list) else [found]
        out |= {label: int(max(depth, 0)) for label, depth in zip(output.labels, elements, strict=True)}
    return out
