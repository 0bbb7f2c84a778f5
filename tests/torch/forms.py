"""The ways to run a net in torch, as functions of the same arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from itc.ir import Net
from itc.ir.op import Array
from itc_torch import emit_module, load_weights, lower
from itc_torch.names import class_name

Weights = Mapping[str, Array]


def written(net: Net) -> nn.Module:
    """An instance of the class that `emit_module` writes."""
    names: dict[str, type[nn.Module]] = {"__name__": "written"}  # type: ignore[dict-item]
    exec(compile(emit_module(net), "written", "exec", dont_inherit=True), names)
    return names[class_name(net.name)]()


MAKERS: dict[str, Callable[[Net], nn.Module]] = {
    "rolled": lambda net: lower(net, "rolled"),
    "unrolled": lambda net: lower(net, "unrolled"),
    "written": written,
}


def modules(net: Net, weights: Weights) -> dict[str, nn.Module]:
    """The net in every form, with the same weights, in evaluation mode."""
    made = {name: make(net).eval() for name, make in MAKERS.items()}
    for module in made.values():
        load_weights(module, weights)
    return made


def tensors(arrays: Mapping[str, Array]) -> list[Tensor]:
    """The inputs of a net in its order."""
    return [torch.from_numpy(array.copy()) for array in arrays.values()]
