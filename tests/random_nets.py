"""Random nets over every operation, with weights and inputs on which equality means something; hypothesis strategies.

`nets()` gives verified nets with loops, carries, `each`, `when`, emits and every kind of sharing. `cases()` adds
weights, inputs and the interpreter's outputs, and holds only what is well conditioned: no output constant, none so
sensitive that float32 rounding, in whichever order a library sums, shows at a fifth of what backends may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter, for_type_by_name

from itc.interpreter import interpret
from itc.ir import Net, Param, print_net, verify
from itc.ir.op import Array
from tests.net_generator import SMALL, Generator, Limits
from tests.rounding import rounded

__all__ = [
    "CLOSE",
    "Case",
    "Limits",
    "cases",
    "difference",
    "nets",
    "on_random_nets",
    "random_inputs",
    "random_weights",
    "well_conditioned",
]


#: For every property of random nets: few examples, always the same ones; the long suites draw more and larger nets.
on_random_nets = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LONGEST_REPORT = 8000
#: What two float32 computations of a case may differ, as a share of the largest element.
CLOSE = 1e-4


@st.composite
def nets(draw: Any, limits: Limits = SMALL) -> Net:
    """Verified random nets over all registered operations."""
    return verify(Generator(draw, limits).net())


def random_weights(net: Net, seed: int = 0) -> dict[str, Array]:
    """Float32 values for every parameter: weights of gain one, norms with random scales, shifts and statistics."""
    rng = np.random.default_rng(seed)
    return {param.key: _values(param, rng).astype(np.float32) for param in net.params}


def _values(param: Param, rng: np.random.Generator) -> Array:
    match param.role:
        case "weight":
            return rng.normal(0, prod(param.type.shape[1:]) ** -0.5, param.shape)
        case "var":
            return rng.uniform(0.5, 2, param.shape)
        case "scale":
            return rng.uniform(0.5, 1.5, param.shape)
        case "slope":
            return rng.uniform(0.1, 0.6, param.shape)
        case "bias" | "shift" | "mean" | "constant":
            return rng.normal(0, 0.5, param.shape)


def random_inputs(net: Net, batch: int = 2, seed: int = 0) -> dict[str, Array]:
    """Standard normal float32 arrays [batch, *shape] for every input."""
    rng = np.random.default_rng([seed, 1])
    return {v.name: rng.normal(size=(batch, *v.tensor.shape)).astype(np.float32) for v in net.inputs}


@dataclass(frozen=True)
class Case:
    """A net with weights and inputs, and what the interpreter makes of them."""

    net: Net
    weights: dict[str, Array] = field(repr=False)
    inputs: dict[str, Array] = field(repr=False)
    outputs: dict[str, Array] = field(repr=False)


@st.composite
def cases(draw: Any, limits: Limits = SMALL) -> Case:
    """Well-conditioned cases: see the module's docstring."""
    net = draw(nets(limits))
    seed, batch = draw(st.integers(0, 999)), draw(st.integers(1, 3))
    weights, inputs = random_weights(net, seed), random_inputs(net, batch, seed)
    outputs = interpret(net, inputs, weights)
    assume(well_conditioned(outputs, rounded(net, inputs, weights)))
    return Case(net, weights, inputs, outputs)


def well_conditioned(outputs: dict[str, Array], with_errors: dict[str, Array]) -> bool:
    """Whether every output varies, and rounding moves it by no more than a fifth of what backends may differ."""
    return all(
        bool(np.isfinite(a).all())
        and float(a.std()) > 1e-3 * float(np.abs(a).max())
        and difference(a, with_errors[k]) < CLOSE / 5
        for k, a in outputs.items()
    )


def difference(found: Array, expected: Array) -> float:
    """max |found - expected| / max |expected|; shapes must be equal."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _show(value: Any, printer: RepresentationPrinter, _cycle: bool) -> None:
    """A failing net is reported as its text, not as its nested dataclasses."""
    net = value.net if isinstance(value, Case) else value
    for line in f"{type(value).__name__}:\n{print_net(net)}"[:LONGEST_REPORT].splitlines():
        printer.text(line)
        printer.break_()


for_type_by_name("itc.ir.net", "Net", _show)
for_type_by_name(__name__, "Case", _show)
