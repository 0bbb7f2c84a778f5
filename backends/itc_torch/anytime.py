"""Runs a module's graph node by node and hands out each output when it is there; loops go one iteration at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from inspect import Parameter, Signature
from operator import getitem
from typing import Any

from torch import Tensor, fx

from itc_torch.outputs import named
from itc_torch.regions import Loop

Labels = dict[fx.Node, list[tuple[str, ...]]]
Named = tuple[str, Tensor]


def anytime(module: fx.GraphModule, /, *inputs: Tensor, **named_inputs: Tensor) -> Iterator[Named]:
    """The outputs of a lowered net as (label, tensor) in the order in which they are computed.

    What lies behind the output that was taken last does not run. Raises TypeError for inputs that it has not.
    """
    return _Run(module, _bind(module.graph, inputs, named_inputs)).outputs()


class _Run:
    """One forward pass: the values that later nodes still need, by node."""

    def __init__(self, module: fx.GraphModule, inputs: dict[str, Tensor]) -> None:
        self.graph = module.graph
        self.inputs = inputs
        self.labels = _labels(module.graph)
        self.interpreter = fx.Interpreter(module, garbage_collect_values=False)
        self.values = self.interpreter.env

    def outputs(self) -> Iterator[Named]:
        done_with = _last_uses(self.graph)
        for node in self.graph.nodes:
            if node.target is named:
                return
            yield from self.run(node)
            for used in done_with[node]:
                del self.values[used]

    def run(self, node: fx.Node) -> Iterator[Named]:
        """Computes a node; yields it if it is an output, and what it emits on the way if it is a loop."""
        loop = self.loop(node)
        if node.op == "placeholder":
            self.values[node] = self.inputs[str(node.target)]
        elif loop:
            yield from self.walk(node, loop)
        else:
            self.values[node] = self.interpreter.run_node(node)
        if isinstance(self.values[node], Tensor):
            yield from ((names[0], self.values[node]) for names in self.labels[node])

    def loop(self, node: fx.Node) -> Loop | None:
        module = self.interpreter.fetch_attr(str(node.target)) if node.op == "call_module" else None
        return module if isinstance(module, Loop) else None

    def walk(self, node: fx.Node, loop: Loop) -> Iterator[Named]:
        """Runs the iterations one by one and yields what each emits, if that is an output of the net."""
        args, _ = self.interpreter.fetch_args_kwargs_from_env(node)
        series = self.series(node, first=len(args[0]))
        left = {position: [iter(names) for names in labels] for position, labels in series.items()}
        steps = loop.steps(*args)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                self.values[node] = stop.value
                return
            for position, value in step.items():
                yield from ((next(names), value) for names in left.get(position, ()))

    def series(self, node: fx.Node, first: int) -> dict[int, list[tuple[str, ...]]]:
        """The labels of a loop's series by their position; its results before `first` are carries."""
        picked = {user.args[1]: self.labels[user] for user in node.users if user.target is getitem}
        return {at - first: labels for at, labels in picked.items() if isinstance(at, int) and at >= first}


def _bind(graph: fx.Graph, inputs: tuple[Tensor, ...], named_inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    kind, none = Parameter.POSITIONAL_OR_KEYWORD, Parameter.empty
    signature = Signature([Parameter(str(n.target), kind, default=n.args[0] if n.args else none) for n in placeholders])
    bound = signature.bind(*inputs, **named_inputs)
    bound.apply_defaults()
    return bound.arguments


def _labels(graph: fx.Graph) -> Labels:
    """The labels of each node that is an output, or a series of them."""
    (last,) = (node for node in graph.nodes if node.target is named)
    labels: Labels = defaultdict(list)
    all_names: Any
    all_names, values = last.args
    for names, value in zip(all_names, values, strict=True):
        elements = (
            [(value, names)] if isinstance(value, fx.Node) else zip(value, ((name,) for name in names), strict=True)
        )
        for node, own in elements:
            labels[node].append(tuple(own))
    return labels


def _last_uses(graph: fx.Graph) -> dict[fx.Node, list[fx.Node]]:
    """For each node the nodes that nothing behind it reads."""
    seen: set[fx.Node] = set()
    last: dict[fx.Node, list[fx.Node]] = {node: [] for node in graph.nodes}
    for node in reversed(graph.nodes):
        for used in (node, *node.all_input_nodes):
            if used not in seen:
                seen.add(used)
                last[node].append(used)
    return last
