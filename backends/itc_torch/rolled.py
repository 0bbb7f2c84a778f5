"""From a net to a torch.fx module whose loops stay loops: a body is a graph of its own, called once an iteration."""

from __future__ import annotations

from operator import getitem
from typing import Any

from torch import fx

from itc.ir import Apply, Body, Emit, Index, Loop, Net, Statement, Value, When
from itc_torch import regions
from itc_torch.expressions import Expr, Name
from itc_torch.graphs import Scope
from itc_torch.halting import halting_of
from itc_torch.lowerings import lower_op
from itc_torch.network import Network, finish
from itc_torch.parameters import Parameters, tensors
from itc_torch.sets import set_number


def rolled(net: Net, parameters: Parameters = tensors, masked: bool = False) -> Network:
    """The module of `net` with one graph for each body: it does not grow with the iterations.

    Loops that halt run all their iterations if `masked`, else as many as the slowest image takes.
    """
    scope = Scope(net)
    scope.inputs()
    scope.parameters(parameters(net))
    _Rolled(scope, masked).statements(net.body)
    return finish(scope, [scope.node(output.value.name) for output in net.outputs])


class _Rolled:
    """Adds statements to the graph of one body."""

    def __init__(self, scope: Scope, masked: bool) -> None:
        self.scope = scope
        self.masked = masked
        self.emitted: list[fx.Node] = []
        self.numbers: dict[Index, Any] = {}

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    self.emit(statement)

    def apply(self, apply: Apply) -> None:
        operands = tuple(self.scope.ref(o, self.set_number) for o in apply.operands)
        label = node_label(apply.result, apply.op.name)
        self.scope.nodes[apply.result.name] = self.scope.realise(lower_op(apply.op, operands), label)

    def set_number(self, index: Index | int) -> Expr:
        if isinstance(index, int):
            return index
        if index not in self.numbers:
            self.numbers[index] = self.scope.realise(set_number(index, Name(self.scope.node(index.var))))
        return self.numbers[index]

    def body(self, body: Body, arguments: tuple[str, ...] = ()) -> tuple[_Rolled, tuple[Any, ...]]:
        """A graph for `body`, its output still open: the lowering that filled it, and the nodes that it yields."""
        inner = _Rolled(Scope(self.scope.net, self.scope), self.masked)
        for name in arguments:
            inner.scope.argument(name)
        inner.statements(body.statements)
        return inner, tuple(inner.scope.node(value.name) for value in body.yields)

    def close(self, inner: _Rolled, result: Any, name: str) -> tuple[fx.GraphModule, tuple[Any, ...]]:
        """The module of a body, and the nodes that it captured."""
        inner.scope.graph.output(result)
        return fx.GraphModule(inner.scope.modules, inner.scope.graph, name), self.scope.captures(inner.scope)

    def define(self, results: tuple[Value, ...], node: fx.Node) -> None:
        for position, result in enumerate(results):
            picked = self.scope.graph.create_node(
                "call_function", getitem, (node, position), name=node_label(result, node.name)
            )
            self.scope.nodes[result.name] = picked

    def loop(self, loop: Loop) -> None:
        carries, each = [c.inner.name for c in loop.carries], [e.inner.name for e in loop.each]
        inner, yields = self.body(loop.body, (loop.var, *carries, *each))
        score = (inner.scope.node(loop.halt.score.name),) if loop.halt else ()
        module, captured = self.close(inner, (yields, tuple(inner.emitted), *score), f"Loop_{loop.var}")
        widths = tuple(len(emit.body.yields) for emit in loop.emits)
        carried = tuple(self.scope.node(c.init.name) for c in loop.carries)
        walked = tuple(self.scope.node(e.series.name) for e in loop.each)
        args: tuple[Any, ...] = (carried, walked, captured)
        region = regions.Loop(module, loop.count, widths)
        if loop.halt:
            region = regions.HaltingLoop(module, loop.count, widths, self.masked)
            args = (*args, self.scope.realise(halting_of(loop)))
        node = self.scope.run(region, f"loop_{loop.var}", args)
        self.define(loop.results, node)

    def when(self, when: When) -> None:
        bodies = [
            self.close(*self.body(branch), name)
            for branch, name in ((when.body, "When"), (when.otherwise, "Otherwise"))
        ]
        (body, for_body), (otherwise, for_otherwise) = bodies
        module = regions.When(when.iterations, body, otherwise)
        args = (self.scope.node(when.var), for_body, for_otherwise)
        self.define(when.results, self.scope.run(module, "when", args))

    def emit(self, emit: Emit) -> None:
        body, captured = self.close(*self.body(emit.body), "Emit")
        module = regions.Emit(emit.iterations, body)
        args = (self.scope.node(emit.var), *captured)
        self.emitted.append(self.scope.run(module, "emit", args))


def node_label(value: Value, fallback: str) -> str:
    """The user's name for a value, or one after what made it."""
    return value.name if not value.name.isdigit() else f"{fallback}_{value.name}"
