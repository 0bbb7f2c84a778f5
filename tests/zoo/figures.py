"""The example networks by name: their costs, and how far torch is from the interpreter on random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from itc.analysis.cost import Cost
from itc.driver import load
from itc.ir import Net
from itc.ir.op import Array
from itc_torch import load_weights, run
from tests.random_nets import difference, random_inputs, random_weights

EXAMPLES = Path(__file__).parents[2] / "examples"


def cost(file: str, network: str, **settings: Any) -> Cost:
    """What `examples/FILE.itn` costs as `network`."""
    return load(EXAMPLES / f"{file}.itn", network, **settings).cost()


def mebibytes(found: Cost) -> float:
    """The graph size as the tables have it, to two places."""
    return round(found.graph_bytes / 2**20, 2)


def tokens_as_integers(net: Net, inputs: dict[str, Array]) -> dict[str, Array]:
    """The inputs, those of integers rounded to ids from 0 to 4, which every vocabulary has."""
    integers = {value.name for value in net.inputs if value.tensor.dtype == "i64"}
    return {
        name: np.clip(np.abs(2 * array), 0, 4).astype(np.int64) if name in integers else array
        for name, array in inputs.items()
    }


def disagreement(file: str, network: str, seed: int = 0, **settings: Any) -> float:
    """The most by which torch, rolled or unrolled, is off the interpreter in any output, relative to its maximum.

    Weights, norm statistics and inputs are random; no output may be constant.
    """
    net = load(EXAMPLES / f"{file}.itn", network, **settings)
    weights, inputs = random_weights(net.ir, seed), tokens_as_integers(net.ir, random_inputs(net.ir, seed=seed))
    expected = net.interpret(inputs, weights)
    assert all(float(value.std()) > 1e-3 * float(abs(value).max()) for value in expected.values())
    worst = 0.0
    for form in ("rolled", "unrolled"):
        module = net.torch(form)
        load_weights(module, weights)
        found = run(module, inputs)
        assert found.keys() == expected.keys()
        worst = max(worst, *(difference(found[label], expected[label]) for label in expected))
    return worst
