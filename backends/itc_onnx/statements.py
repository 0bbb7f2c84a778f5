"""Statements of the IR as nodes: operations, `Loop`, `If`, sequences of collected values, and halting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Body, Emit, Index, Loop, Net, Operand, ParamRef, Statement, When
from itc.ir.types import SeriesType, TensorType, Type
from itc_onnx.graph import ELEMENTS, Graph, Scalar, value_info
from itc_onnx.halting import Halting
from itc_onnx.lowerings import LOWERINGS, Operands


class Statements:
    """Appends the nodes of statements to a graph; values have their names in the IR, parameters their keys."""

    def __init__(self, net: Net, graph: Graph) -> None:
        self.net = net
        self.graph = graph
        self.iterations: dict[str, tuple[str, int]] = {}  # of each loop around: the value from 0, and the count

    def append(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    pass  # collected by the enclosing loop

    def apply(self, apply: Apply) -> None:
        names = tuple(self.operand(operand) for operand in apply.operands)
        results = tuple(value.tensor for value in apply.results)
        out = LOWERINGS[type(apply.op)](self.graph, apply.op, Operands(names, self.net.operand_types(apply), results))
        self.graph.node("Identity", [out], [value_name(apply.result.name)])

    def operand(self, operand: Operand) -> str:
        return self.param(operand) if isinstance(operand, ParamRef) else value_name(operand.name)

    def param(self, ref: ParamRef) -> str:
        """The parameter, or the set of it that this iteration reads."""
        out = ref.key
        for index in ref.index:
            at = self.graph.integer(index) if isinstance(index, int) else self.set_of(index)
            out = self.graph("Gather", out, at, axis=0)
        return out

    def set_of(self, index: Index) -> str:
        """The number of a parameter set in this iteration, from a table over the loop."""
        return self.table(index.var, lambda t: index.at(t) if index.step * t + index.offset in index.over else 0)

    def table(self, var: str, entry: Callable[[int], int | bool]) -> str:
        """The entry of the current iteration of loop `var` in a table over all iterations."""
        name, count = self.iterations[var]
        return self.graph("Gather", self.graph.constant(np.array([entry(t) for t in range(1, count + 1)])), name)

    def within(self, var: str, iterations: IterationSet) -> str:
        """Whether the current iteration of loop `var` is one of these."""
        return self.table(var, lambda t: t in iterations)

    def when(self, when: When) -> None:
        types = [result.type for result in when.results]
        branches = [self.branch(body, types) for body in (when.body, when.otherwise)]
        names = [value_name(result.name) for result in when.results]
        condition = self.within(when.var, when.iterations)
        self.graph.node("If", [condition], names, then_branch=branches[0], else_branch=branches[1])

    def branch(self, body: Body, types: Sequence[Type]) -> object:
        """The graph of a branch of an `If`, which yields values of these types."""
        with self.graph.scope() as nodes:
            self.append(body.statements)
            outputs = [(value_name(value.name), type) for value, type in zip(body.yields, types, strict=True)]
            return self.graph.nested(nodes, "branch", (), outputs)

    def loop(self, loop: Loop) -> None:
        """A `Loop` whose state is the carries, the sequences of the emits, and the state of halting."""
        graph, halting = self.graph, Halting.of(loop, self.graph, self.net)
        series = [value for _, values in loop.collected for value in values]
        empty = [graph("SequenceEmpty", dtype=_element(value.type)) for value in series]
        state = [*(value_name(carry.init.name) for carry in loop.carries), *empty, *halting.initial()]
        body, finals = self.loop_body(loop, halting), [graph.fresh("last") for _ in state]
        graph.node("Loop", [graph.integer(loop.count), "", *state], finals, body=body)
        carried, rest = finals[: len(loop.carries)], finals[len(loop.carries) :]
        collected, halted = rest[: len(series)], rest[len(series) :]
        results = [*halting.carries(carried, halted), *collected, *halting.results(halted)]
        for result, name in zip(loop.results, results, strict=True):
            graph.node("Identity", [name], [value_name(result.name)])

    def loop_body(self, loop: Loop, halting: Halting) -> object:
        graph, iteration, condition = self.graph, self.graph.fresh("iteration"), self.graph.fresh("condition")
        self.iterations[loop.var] = (iteration, loop.count)
        series = [value for _, values in loop.collected for value in values]
        before = [value_name(carry.inner.name) for carry in loop.carries]
        sequences = [graph.fresh("series") for _ in series]
        inputs = [
            value_info(iteration, Scalar("i64")),
            value_info(condition, Scalar("bool")),
            *(value_info(value_name(carry.inner.name), carry.inner.type) for carry in loop.carries),
            *(value_info(name, value.type) for name, value in zip(sequences, series, strict=True)),
        ]
        with graph.scope() as nodes:
            for each in loop.each:
                at = [value_name(each.series.name), iteration]
                graph.node("SequenceAt", at, [value_name(each.inner.name)])
            self.append(loop.body.statements)
            grown = self.collect(loop, sequences)
            after = [value_name(value.name) for value in loop.body.yields]
            running, carried, state = halting.step(before, after, iteration, value_name)
            types = [carry.inner.type for carry in loop.carries]
            outputs = [
                (running, Scalar("bool")),
                *zip(carried, types, strict=True),
                *zip(grown, (value.type for value in series), strict=True),
                *state,
            ]
            return graph.nested(nodes, "body", [*inputs, *halting.infos()], outputs)

    def collect(self, loop: Loop, sequences: list[str]) -> list[str]:
        """The sequences of the emits, longer by one element in the iterations of each emit."""
        out: list[str] = []
        for emit, values in loop.collected:
            own = sequences[len(out) : len(out) + len(values)]
            types = [value.type for value in values]
            with self.graph.scope() as nodes:
                self.append(emit.body.statements)
                longer = [
                    self.graph("SequenceInsert", name, value_name(value.name))
                    for name, value in zip(own, emit.body.yields, strict=True)
                ]
                grown = self.graph.nested(nodes, "emit", (), [*zip(longer, types, strict=True)])
            with self.graph.scope() as nodes:
                same = self.graph.nested(nodes, "keep", (), [*zip(own, types, strict=True)])
            condition = self.within(emit.var, emit.iterations)
            names = [self.graph.fresh("series") for _ in values]
            self.graph.node("If", [condition], names, then_branch=grown, else_branch=same)
            out += names
        return out


def value_name(name: str) -> str:
    """The name of a value of the IR in a model; inputs and outputs of the model have their own."""
    return f"%{name}"


def _element(type: Type) -> int:
    element: TensorType | Type = type.element if isinstance(type, SeriesType) else type
    assert isinstance(element, TensorType)
    return ELEMENTS[element.dtype]
