"""What the torch backend offers, under the entry point `torch`; PyTorch is imported when something of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from itc.backend import Backend, Module, Option, Stage, Target
from itc.ir.net import Net
from itc.ir.op import Array

FORM = Option("form", "rolled", "Loops as loops, or one flat graph.", choices=("rolled", "unrolled"))


class TorchModules:
    """Nets as torch.fx.GraphModules."""

    def lower(self, net: Net, form: Any = "rolled", halting: Any = "stop") -> Module:
        """The module, in training mode; see `itc_torch.lower`."""
        from itc_torch.module import lower

        return lower(net, form, halting=halting)

    def forward(self, net: Net, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by label for arrays [batch, ...], at inference."""
        from itc_torch.module import forward

        return forward(net, inputs, weights)


def text(net: Net, form: Any = "rolled") -> str:
    """The Python code of each graph of the lowered net."""
    from itc_torch.module import text as module_text

    return module_text(net, form)


def emit(net: Net) -> str:
    """The source of a standalone module."""
    from itc_torch.emit import emit_module

    return emit_module(net)


backend = Backend(
    "torch",
    stages=(Stage("torch", "the code of the torch.fx module", text, (FORM,)),),
    targets=(Target("torch", "a PyTorch module", ".py", emit),),
    modules=TorchModules(),
    priority=10,
    requires=("torch.fx",),
    install="itc-compiler[torch]",
)
