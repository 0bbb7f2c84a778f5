"""One fx graph in the making: values of the IR by name as nodes, expressions as calls, outer values as arguments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count
from typing import Any

from torch import fx, nn

from itc.ir import Index, Net, Operand, ParamRef, Value
from itc_torch.expressions import Call, Expr, Flag, Name, Ref
from itc_torch.inputs import optional_input
from itc_torch.names import argument_names, identifier
from itc_torch.regions import InTraining
from itc_torch.sets import one_set

SetNumber = Callable[[Index | int], Expr]


class Scope:
    """The graph of the whole net, or of one body: a name that it does not define comes from `outer`, as an argument."""

    def __init__(self, net: Net, outer: Scope | None = None) -> None:
        self.net = net
        self.outer = outer
        self.graph = fx.Graph()
        self.modules: dict[str, Any] = {}
        self.nodes: dict[str, Any] = {}
        self.captured: list[str] = []
        self._last_argument: fx.Node | None = None
        self._targets: set[str] = set()
        self._sets: dict[ParamRef, fx.Node] = {}
        self._training: fx.Node | None = None

    # Names

    def inputs(self) -> None:
        """Adds the net's inputs; one that may be left out is zeros then, as many as the first input has samples."""
        for name, argument in argument_names(value.name for value in self.net.inputs).items():
            self.add_argument(name, argument, optional=name in self.net.optional)
        for value in self.net.inputs[len(self.net.required) :]:
            first = self.net.inputs[0]
            lowered = optional_input(value, Name(self.node(value.name)), first, Name(self.node(first.name)))
            self.nodes[value.name] = self.realise(lowered, f"{value.name}_or_zeros")

    def argument(self, name: str, label: str = "") -> fx.Node:
        """Adds an argument behind the others; `name` is how the IR calls it, `label` about how the graph does."""
        target = identifier(label or name)
        while target in self._targets:
            target += "_"
        return self.add_argument(name, target)

    def add_argument(self, name: str, target: str, optional: bool = False) -> fx.Node:
        """Adds an argument that is called `target` in the graph."""
        self._targets.add(target)
        with self.graph.inserting_after(self._last_argument):
            default = {"default_value": None} if optional else {}
            self._last_argument = self.nodes[name] = self.graph.placeholder(target, **default)
        return self._last_argument

    def node(self, name: str) -> Any:
        """The node of a value, a loop's variable or a parameter (`@key`)."""
        if name not in self.nodes:
            assert self.outer, f"{name} is not in scope"
            self.captured.append(name)
            return self.argument(name, self.outer.node(name).name)
        return self.nodes[name]

    def captures(self, inner: Scope) -> tuple[Any, ...]:
        """The nodes that go into the arguments which `inner` made."""
        return tuple(self.node(name) for name in inner.captured)

    def parameters(self, tensors: dict[str, Any]) -> None:
        """Makes every parameter a node, in the net's order; `itc_torch.network` orders the state_dict."""
        for key, tensor in tensors.items():
            self.modules[key] = tensor
            self.nodes[f"@{key}"] = self.graph.create_node("get_attr", key)

    # Nodes

    def ref(self, operand: Operand, set_number: SetNumber) -> Ref:
        """An operand as what a lowering takes; a parameter as the one set that is read."""
        if isinstance(operand, Value):
            return Ref(self.node(operand.name), operand.tensor)
        if operand not in self._sets:
            whole = Ref(self.node(f"@{operand.key}"), self.net.ref_type(operand))
            label = operand.key.replace(".", "_") + "_set"
            self._sets[operand] = self.realise(one_set(whole, tuple(map(set_number, operand.index))), label)
        return Ref(self._sets[operand], self.net.ref_type(operand))

    def realise(self, expr: Expr, name: str | None = None) -> Any:
        """Adds the nodes of an expression and returns its last; constants are themselves."""
        match expr:
            case Name(of=Call() as inner):
                return self.realise(inner)
            case Name(of=node):
                return node
            case Call(function, args, kwargs):
                kind = "call_method" if isinstance(function, str) else "call_function"
                inputs = self.realise(args), {key: self.realise(value) for key, value in kwargs.items()}
                return self.graph.create_node(kind, function, *inputs, name=name)
            case Flag.TRAINING:
                return self.training()
            case tuple():
                return tuple(map(self.realise, expr))
            case _:
                return expr

    def training(self) -> fx.Node:
        if self._training is None:
            self._training = self.run(InTraining(), "in_training", ())
        return self._training

    def run(self, module: nn.Module, hint: str, args: tuple[Any, ...]) -> fx.Node:
        """Adds a call of `module`, which it keeps under a name that no parameter's key starts with."""
        taken = {*self.modules, *(key.split(".")[0] for key in self.modules)}
        numbered = (f"{hint}_{n}" for n in count(2))
        name = next(name for name in chain([hint], numbered) if name not in taken)
        self.modules[name] = module
        return self.graph.create_node("call_module", name, args)

    def forget_sets(self) -> None:
        """The iteration has changed: parameters that were read once are to be selected anew."""
        self._sets.clear()
