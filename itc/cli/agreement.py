"""How far the values of a program are from a reference: modules of another backend, or else the interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from itc import installed
from itc.diagnostics import CompileError
from itc.driver import Network
from itc.ir.op import Array


def forward(network: Network, inputs: dict[str, Array], weights: Mapping[str, Array]) -> tuple[str, dict[str, Array]]:
    """The outputs by modules, or by the interpreter where no backend has any, and which of the two gave them."""
    try:
        name, modules = installed.modules()
    except CompileError:
        return "the interpreter", network.interpret(inputs, weights)
    return name, modules.forward(network.ir, inputs, weights)


@dataclass(frozen=True)
class Reference:
    """Outputs to compare with: at the same precision, by `against`, and in f32 if that is another precision."""

    against: str
    equal: dict[str, Array]
    exact: dict[str, Array] | None

    def agreement(self, found: dict[str, Array]) -> Agreement:
        pairs = (self.equal, self.exact)
        equal, exact = ({k: difference(found[k], v[k]) for k in found} if v is not None else None for v in pairs)
        assert equal is not None
        return Agreement(self.against, equal, exact)


@dataclass(frozen=True)
class Agreement:
    """max |a - b| / max |b| of each output, against `against` at the same precision, and against f32."""

    against: str
    outputs: dict[str, float]
    f32: dict[str, float] | None

    def json(self) -> dict[str, Any]:
        return {"against": self.against, "outputs": self.outputs, "f32": self.f32}


def difference(found: Array, expected: Array) -> float:
    """max |a - b| / max |b|; numbers that are not finite, and the same in both, agree."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    other = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0)) or 1.0
    return float(np.abs(found[other] - expected[other]).max(initial=0)) / scale
