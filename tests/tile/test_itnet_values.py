"""The paper's network from its spec, on the simulated tiles: the interpreter's values."""

from __future__ import annotations

from pathlib import Path

import pytest

from itc.interpreter import interpret
from itc_dsl import load_net, read_source
from itc_tile import compile_net, load_machine, simulate
from tests.random_nets import random_inputs, random_weights
from tests.rounding import close, tolerances

SPEC = Path(__file__).parents[2] / "examples" / "itnet.itn"
SMALL = {"f": 13, "iterations": 5, "exits": (1, 2, 5), "height": 45, "width": 60}


def check(machine: str, batch: int, **settings: object) -> None:
    net = load_net(read_source(SPEC), settings=settings)
    weights, inputs = random_weights(net), random_inputs(net, batch)
    found = simulate(compile_net(net, load_machine(machine)), inputs, weights)
    expected = interpret(net, inputs, weights)
    assert list(found) == list(net.labels)
    assert all(expected[label].std() > 0.1 for label in net.labels)
    close(found, expected, tolerances(net, inputs, weights, expected))


@pytest.mark.parametrize("machine", ["gc200", "edge-64"])
@pytest.mark.parametrize("sharing", ["all", "none", "every(2)"])
def test_small(machine: str, sharing: str) -> None:
    check(machine, 2, **SMALL, **{"refine.share": sharing})


@pytest.mark.long
@pytest.mark.parametrize("machine", ["gc200", "edge-128"])
def test_camvid(machine: str) -> None:
    check(machine, 1)
