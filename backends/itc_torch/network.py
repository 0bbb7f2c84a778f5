"""The module of a whole net: a torch.fx.GraphModule that gives all outputs at once, or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from itc.backend import Module
from itc.ir import print_net
from itc.ir.iteration_counts import Iterations, with_iterations
from itc_torch.early_outputs import anytime
from itc_torch.graphs import Scope
from itc_torch.inputs import Input, check_tensors
from itc_torch.losses import IGNORE, Loss, loss_of
from itc_torch.names import class_name
from itc_torch.outputs import is_tracing, name_traced, named
from itc_torch.parameters import as_tensor

#: Entries of a module's `meta`, which copies of it keep: its inputs, its loss, and the net, form and
#: halting that it was lowered from.
INPUTS, LOSS, SOURCE = "itc_inputs", "itc_loss", "itc_source"
#: The attribute with the modules of other numbers of iterations, and the argument that asks for them.
VARIANTS, ITERATIONS = "_itc_variants", "iterations"


class Network(Module, fx.GraphModule):
    """`forward(*inputs)` returns a dict from output label to tensor [batch, ...], in the order of `Net.labels`.

    `parameters()` and `state_dict()` list modules in the order in which their first parameter stands in the net, as the
    emitted source does; so the states of optimizers, which count parameters, fit all forms.
    Inputs are tensors [batch, ...] by position or by name, of any size that the network allows. Raises TypeError or
    ValueError for others. With `iterations`, a number or one for each loop by name, the loops run so many, on the same
    parameters; outputs and errors are those of `itc.ir.iteration_counts.with_iterations`.
    """

    def __call__(self, *inputs: Tensor | None, **named_inputs: Any) -> Any:
        if ITERATIONS in named_inputs and not self._is_input(ITERATIONS):
            iterations = named_inputs.pop(ITERATIONS)
            if iterations is not None:
                return self._of(iterations)(*inputs, **named_inputs)
        given = check_tensors(self.meta.get(INPUTS, ()), inputs, named_inputs)
        if is_tracing():
            name_traced(given)
        return super().__call__(*inputs, **named_inputs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As PyTorch's; NumPy arrays are taken as well, such as those of `net.weights()`."""
        tensors = {key: as_tensor(value) for key, value in state_dict.items()}
        return super().load_state_dict(tensors, strict, assign)

    def __reduce__(self) -> Any:
        """Pickles the IR text, the form and the values; loading lowers the net again."""
        from itc_torch.module import restored  # noqa: PLC0415 -- it imports this module

        net, form, halting = self.meta[SOURCE]
        frozen = tuple(key for key, parameter in self.named_parameters() if not parameter.requires_grad)
        return restored, (print_net(net), form, halting, dict(self.state_dict()), self.training, frozen)

    def loss(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor] | Tensor, ignore_index: int = IGNORE
    ) -> Tensor:
        """The training loss of `outputs`: those of the `@loss` annotations by their weights, and ponder costs.

        Weights are divided by their sum (Pfeil 2021, Eq. 1). `targets` are tensors by the names of the targets, or the
        only one. For `cross_entropy` they are integer classes [batch, ...], without the class axis that the output has:
        axis 1 of vectors and maps, the last axis of tokens; those equal to `ignore_index` do not count. For the others
        they have the shape of the output. Raises ValueError for missing targets and a network without losses.
        """
        made = (self, *self.__dict__.get(VARIANTS, {}).values())
        source = next((module for module in made if set(module.meta[SOURCE][0].labels) == set(outputs)), self)
        loss: Loss = source.meta[LOSS]
        return loss(outputs, targets, ignore_index)

    def iterate(self, /, *inputs: Tensor, **named_inputs: Any) -> Iterator[tuple[str, Tensor]]:
        """The outputs as (label, tensor), each as soon as it is there; what is behind the last one taken never runs."""
        if ITERATIONS in named_inputs and not self._is_input(ITERATIONS):
            iterations = named_inputs.pop(ITERATIONS)
            if iterations is not None:
                return self._of(iterations).iterate(*inputs, **named_inputs)
        check_tensors(self.meta.get(INPUTS, ()), inputs, named_inputs)
        return anytime(self, *inputs, **named_inputs)

    def _is_input(self, name: str) -> bool:
        return any(each.name == name for each in self.meta.get(INPUTS, ()))

    def _of(self, iterations: Iterations) -> Network:
        """The module of the net with other `iterations`, on this module's own tensors, in its mode; lowered once."""
        from itc_torch.module import lower  # noqa: PLC0415 -- it imports this module

        net, form, halting = self.meta[SOURCE]
        changed = with_iterations(net, iterations)
        tensors = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        variants: dict[Any, Network] = self.__dict__.setdefault(VARIANTS, {})
        key = iterations if isinstance(iterations, int) else tuple(sorted(iterations.items()))
        if key not in variants:
            variants[key] = lower(
                changed, form, lambda net: {param.key: tensors[param.key] for param in net.params}, halting
            )
        _tie(variants[key], tensors)
        return variants[key].train(self.training)


def _tie(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Makes `tensors` the parameters and buffers of a module, by their keys."""
    for key, tensor in tensors.items():
        path, _, last = key.rpartition(".")
        owner = module.get_submodule(path)
        owned = owner._parameters if last in owner._parameters else owner._buffers
        owned[last] = tensor  # type: ignore[assignment]


def finish(scope: Scope, values: Sequence[Any]) -> Network:
    """The module of a graph, with `values` (nodes, or tuples of them) as the net's outputs."""
    labels = tuple(output.labels for output in scope.net.outputs)
    outputs = scope.graph.create_node("call_function", named, (labels, tuple(values)), name="outputs")
    scope.graph.output(outputs)
    module = Network(_root(scope.modules), scope.graph, class_name(scope.net.name))
    module.meta[INPUTS] = inputs_of(scope)
    module.meta[LOSS] = loss_of(scope.net)
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
