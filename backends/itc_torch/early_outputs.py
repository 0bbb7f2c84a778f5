"""Runs a module's graph node by node and hands out each output when it is there: in a loop, when its emit has run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from inspect import Parameter, Signature
from operator import getitem
from typing import Any

from torch import Tensor, fx

from itc_torch.outputs import named
from itc_torch.regions import Loop, Steps, Values

Labels = dict[fx.Node, list[tuple[str, ...]]]
Named = tuple[str, Tensor]


def anytime(module: fx.GraphModule, /, *inputs: Tensor, **named_inputs: Tensor) -> Iterator[Named]:
    """The outputs of a lowered net as (label, tensor) in the order in which they are computed.

    What lies behind the output that was taken last does not run. Raises TypeError for inputs that it has not.
    """
    return _Outputs(module, _bind(module.graph, inputs, named_inputs)).outputs()


class _Graph:
    """A module's graph, run node by node; values are dropped after their last reader."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.nodes = tuple(module.graph.nodes)
        self.done_with = _last_uses(module.graph)

    def submodule(self, node: fx.Node) -> Any:
        """The module that a node calls, if it calls one."""
        return self.module.get_submodule(str(node.target)) if node.op == "call_module" else None


class _Run:
    """One pass through a graph: the values that later nodes still need, by node."""

    def __init__(self, graph: _Graph, inputs: Iterable[Any]) -> None:
        self.graph = graph
        self.inputs = iter(inputs)
        self.interpreter = fx.Interpreter(graph.module, garbage_collect_values=False)
        self.values = self.interpreter.env

    def step(self, node: fx.Node) -> Any:
        """The value of a node."""
        value = next(self.inputs) if node.op == "placeholder" else self.interpreter.run_node(node)
        self.values[node] = value
        return value

    def forget(self, node: fx.Node) -> None:
        """Drops values without a reader behind this node."""
        for used in self.graph.done_with[node]:
            del self.values[used]

    def arguments(self, node: fx.Node) -> tuple[Any, ...]:
        args, _ = self.interpreter.fetch_args_kwargs_from_env(node)
        return args


class _Outputs(_Run):
    """The pass through a whole net."""

    def __init__(self, module: fx.GraphModule, inputs: dict[str, Tensor]) -> None:
        super().__init__(_Graph(module), inputs.values())
        self.labels = _labels(module.graph)

    def outputs(self) -> Iterator[Named]:
        for node in self.graph.nodes:
            if node.target is named:
                return
            yield from self.run(node)
            self.forget(node)

    def run(self, node: fx.Node) -> Iterator[Named]:
        """Computes a node; yields it if it is an output, and what it emits on the way if it is a loop."""
        loop = self.graph.submodule(node)
        if isinstance(loop, Loop) and loop.widths:
            yield from self.walk(node, loop)
        else:
            self.step(node)
        if isinstance(self.values[node], Tensor):
            yield from ((names[0], self.values[node]) for names in self.labels[node])

    def walk(self, node: fx.Node, loop: Loop) -> Iterator[Named]:
        """Runs a loop emit by emit and yields what each hands out, if that is an output of the net."""
        args = self.arguments(node)
        series = self.series(node, first=len(args[0]))
        left = {position: [iter(names) for names in labels] for position, labels in series.items()}
        steps = _emitted(loop, *args)
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


def _emitted(loop: Loop, carried: Values, walked: tuple[Values, ...], captured: Values) -> Steps:
    """Runs a loop to the next emit at each `next`, hands out what it adds to the series, returns the loop's results."""
    assert isinstance(loop.body, fx.GraphModule)
    body = _Graph(loop.body)
    (result,) = body.nodes[-1].args
    yields, emits, *_ = result
    position = {emit: at for at, emit in enumerate(emits)}
    series: list[list[Tensor]] = [[] for _ in range(sum(loop.widths))]
    for iteration in range(1, loop.count + 1):
        run = _Run(body, loop.arguments(iteration, carried, walked, captured))
        for node in body.nodes[:-1]:
            value = run.step(node)
            if node in position and value is not None:
                step = loop.added(position[node], value)
                for at, tensor in step.items():
                    series[at].append(tensor)
                yield step
            run.forget(node)
        carried = tuple(run.values[node] for node in yields)
    return (*carried, *map(tuple, series))


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
