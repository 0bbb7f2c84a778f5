"""Ponder costs: the terms that loops that halt add to the training loss, from their outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from itc.ir import Loop, Net


@dataclass(frozen=True, slots=True)
class Ponder:
    """The ponder cost of one loop: its weight, and the labels of its iterations and remainders."""

    weight: float
    labels: tuple[str, ...]

    def cost(self, outputs: Mapping[str, Tensor]) -> Tensor:
        first, *others = (outputs[label].mean() for label in self.labels)
        return self.weight * sum(others, first)


def ponders(net: Net) -> tuple[Ponder, ...]:
    """The ponder costs of the loops under `act` whose iterations are outputs: those inside no other (Graves 2016)."""
    labels = {output.value.name: output.name for output in net.outputs if output.at is None}
    found: list[Ponder] = []
    for loop in net.body:
        if isinstance(loop, Loop) and loop.halt and loop.halt.kind == "act":
            used = tuple(labels[value.name] for value in loop.halt_results if value.name in labels)
            found += [Ponder(loop.halt.ponder, used)] * bool(used)
    return tuple(found)


def ponder_cost(net: Net, outputs: Mapping[str, Tensor]) -> Tensor:
    """The sum over the loops under `act` of `ponder` times the mean of iterations + remainder (Graves 2016).

    `outputs` are those of a module of `net`. Only loops whose iterations are outputs count: those inside no other.
    """
    zero = torch.zeros((), device=next(iter(outputs.values())).device)
    return sum((ponder.cost(outputs) for ponder in ponders(net)), zero)
