"""From a net to one flat torch.fx graph: every iteration written out, each parameter one tensor for all its readers."""

from __future__ import annotations

from operator import getitem
from typing import Any

from itc.analysis.reach import reached
from itc.diagnostics import fail
from itc.ir import Apply, Body, Emit, Index, Loop, Net, Statement, When
from itc_torch.expressions import Name, call
from itc_torch.graphs import Scope
from itc_torch.halting import halting_of
from itc_torch.lowerings import lower_op
from itc_torch.network import Network, finish
from itc_torch.parameters import Parameters, tensors
from itc_torch.rolled import node_label

#: A graph takes some 20 KiB an operation.
MAX_OPERATIONS = 40_000


def unrolled(net: Net, parameters: Parameters = tensors) -> Network:
    """The module of `net` as a flat graph, which grows with the iterations (E0161).

    Loops that halt run all their iterations.
    """
    _check_size(net)
    scope = Scope(net)
    scope.inputs()
    scope.parameters(parameters(net))
    _Unrolled(scope).statements(net.body)
    return finish(scope, [scope.node(output.value.name) for output in net.outputs])


def _check_size(net: Net) -> None:
    """Raises CompileError (E0161) for more operations than a graph can have."""
    size = sum(run.times for run in reached(net.body))
    if size > MAX_OPERATIONS:
        message = f"{net.name} would be {size:,} operations one behind the other, more than {MAX_OPERATIONS:,}"
        raise fail("E0161", message, net.span, help="leave its loops rolled: --form rolled")


class _Unrolled:
    """Runs the net on nodes: a value is a node, a series a tuple of nodes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.iteration: dict[str, int] = {}
        self.series: dict[str, list[Any]] = {}

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When(var=var, iterations=iterations):
                    chosen = statement.body if self.iteration[var] in iterations else statement.otherwise
                    self.define([r.name for r in statement.results], self.body(chosen))
                case Emit():
                    raise AssertionError("the loop around takes it")

    def apply(self, apply: Apply) -> None:
        operands = tuple(self.scope.ref(o, self.set_number) for o in apply.operands)
        at = "".join(f"_{var}{t}" for var, t in self.iteration.items())
        label = node_label(apply.result, apply.op.name) + at
        self.scope.nodes[apply.result.name] = self.scope.realise(lower_op(apply.op, operands), label)

    def set_number(self, index: Index | int) -> int:
        return index if isinstance(index, int) else index.at(self.iteration[index.var])

    def define(self, names: list[str], values: list[Any]) -> None:
        self.scope.nodes |= zip(names, values, strict=True)

    def body(self, body: Body) -> list[Any]:
        self.statements(body.statements)
        return [self.scope.node(value.name) for value in body.yields]

    def loop(self, loop: Loop) -> None:
        carried = [self.scope.node(c.init.name) for c in loop.carries]
        walked = [self.scope.node(e.series.name) for e in loop.each]
        series: list[list[Any]] = [[] for _, values in loop.collected for _ in values]
        halting = self.scope.realise(halting_of(loop)) if loop.halt else None
        for t in range(1, loop.count + 1):
            self.iteration[loop.var] = t
            self.scope.forget_sets()
            self.define([c.inner.name for c in loop.carries], carried)
            self.define([e.inner.name for e in loop.each], [elements[t - 1] for elements in walked])
            before, carried = carried, self.loop_body(loop, t, series)
            if loop.halt:
                score = Name(self.scope.node(loop.halt.score.name))
                step = call("step", Name(halting), t, score, tuple(before), tuple(carried))
                carried = self.picked(self.scope.realise(step), len(carried))
        if loop.halt:
            carried = self.picked(self.scope.realise(call("results", Name(halting), tuple(carried))), len(loop.results))
        del self.iteration[loop.var]
        self.scope.forget_sets()
        self.define([r.name for r in loop.results], [*carried, *map(tuple, series)])

    def picked(self, node: Any, count: int) -> list[Any]:
        """The parts of a tuple."""
        return [self.scope.realise(call(getitem, Name(node), position)) for position in range(count)]

    def loop_body(self, loop: Loop, t: int, series: list[list[Any]]) -> list[Any]:
        """One iteration: its next carries; what its emits yield goes to `series`, emit by emit."""
        position = 0
        for statement in loop.body.statements:
            if not isinstance(statement, Emit):
                self.statements((statement,))
                continue
            if t in statement.iterations:
                for offset, value in enumerate(self.body(statement.body)):
                    series[position + offset].append(value)
            position += len(statement.body.yields)
        return [self.scope.node(value.name) for value in loop.body.yields]
