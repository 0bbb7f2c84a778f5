"""Ponder costs: the terms that loops that halt add to the training loss, from their outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from itc.ir import Loop, Net


def ponder_cost(net: Net, outputs: Mapping[str, Tensor]) -> Tensor:
    """The sum over the loops under `act` of `ponder` times the mean of iterations + remainder (Graves 2016).

    `outputs` are those of a module of `net`. Only loops whose iterations are outputs count: those inside no other.
    """
    labels = {output.value.name: output.name for output in net.outputs if output.at is None}
    cost = torch.zeros((), device=next(iter(outputs.values())).device)
    for loop in net.body:
        if not isinstance(loop, Loop) or loop.halt is None or loop.halt.kind != "act":
            continue
        used = [outputs[labels[value.name]] for value in loop.halt_results if value.name in labels]
        cost = cost + loop.halt.ponder * sum((value.mean() for value in used), torch.zeros_like(cost))
    return cost
