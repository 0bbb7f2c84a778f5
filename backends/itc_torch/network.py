"""The module of a whole net: a torch.fx.GraphModule that gives all outputs at once, or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from itc.ir import print_net
from itc_torch.early_outputs import anytime
from itc_torch.graphs import Scope
from itc_torch.inputs import Input, check_tensors
from itc_torch.names import class_name
from itc_torch.outputs import named

#: Entries of a module's `meta`, which copies of it keep: its inputs, and the net and form it was lowered from.
INPUTS, SOURCE = "itc_inputs", "itc_source"


class Network(fx.GraphModule):
    """`forward(*inputs)` returns a dict from output label to tensor [batch, ...], in the order of `Net.labels`.

    `parameters()` and `state_dict()` list modules in the order in which their first parameter stands in the net, as the
    emitted source does; so the states of optimizers, which count parameters, fit all forms.
    Inputs are tensors [batch, ...] by position or by name, of any size that the network allows. Raises TypeError or
    ValueError for others.
    """

    def __call__(self, *inputs: Tensor | None, **named_inputs: Tensor | None) -> Any:
        check_tensors(self.meta.get(INPUTS, ()), inputs, named_inputs)
        return super().__call__(*inputs, **named_inputs)

    def __reduce__(self) -> Any:
        """Pickles the IR text, the form and the values; loading lowers the net again."""
        from itc_torch.module import restored  # noqa: PLC0415 -- it imports this module

        net, form = self.meta[SOURCE]
        frozen = tuple(key for key, parameter in self.named_parameters() if not parameter.requires_grad)
        return restored, (print_net(net), form, dict(self.state_dict()), self.training, frozen)

    def iterate(self, /, *inputs: Tensor, **named_inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The outputs as (label, tensor), each as soon as it is there; what is behind the last one taken never runs."""
        check_tensors(self.meta.get(INPUTS, ()), inputs, named_inputs)
        return anytime(self, *inputs, **named_inputs)


def finish(scope: Scope, values: Sequence[Any]) -> Network:
    """The module of a graph, with `values` (nodes, or tuples of them) as the net's outputs."""
    labels = tuple(output.labels for output in scope.net.outputs)
    outputs = scope.graph.create_node("call_function", named, (labels, tuple(values)), name="outputs")
    scope.graph.output(outputs)
    module = Network(_root(scope.modules), scope.graph, class_name(scope.net.name))
    module.meta[INPUTS] = inputs_of(scope)
    return module


def inputs_of(scope: Scope) -> tuple[Input, ...]:
    """The inputs of a graph's module, by the names of its arguments."""
    targets = [str(node.target) for node in scope.graph.nodes if node.op == "placeholder"]
    return tuple(
        Input(target, value.tensor.dtype, value.tensor.shape, value.name in scope.net.optional)
        for target, value in zip(targets, scope.net.inputs, strict=True)
    )


def _root(parts: Mapping[str, Any]) -> nn.Module:
    """Parameters, buffers and modules under their keys, each module where the first of its parts is.

    Given a dict, torch.fx would sort them by the depth of their keys, and optimizers number parameters in this order.
    """
    root = nn.Module()
    for key, part in parts.items():
        *path, last = key.split(".")
        at = root
        for segment in path:
            if not hasattr(at, segment):
                setattr(at, segment, nn.Module())
            at = getattr(at, segment)
        if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
            at.register_buffer(last, part)
        else:
            setattr(at, last, part)
    return root
