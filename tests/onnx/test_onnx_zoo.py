"""Every network of `examples/` as an ONNX model, at a reduced input: onnxruntime's outputs are the interpreter's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.onnx.models import difference
from tests.zoo.reduced import QUICK, SEEDS, first_networks, networks, reduced, weights_and_inputs

TOLERANCE = 1e-4
SMALL = ("itnet", "mobilenet_v2", "tiny_recursive_model", "tiny_recursive_model_halting", "universal_transformer")
FIRST = tuple(each for each in networks() if each[1] in SMALL)
OTHERS = tuple(each for each in networks() if each not in FIRST)


def check(path: Path, name: str) -> None:
    net = reduced(path, name, **QUICK.get(path.stem, {}))
    weights, inputs = weights_and_inputs(net, 2, SEEDS.get(name, 0))
    assert difference(net.ir, inputs, weights) < TOLERANCE


@pytest.mark.parametrize(("path", "name"), FIRST, ids=[name for _, name in FIRST])
def test_small_networks(path: Path, name: str) -> None:
    check(path, name)


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), OTHERS, ids=[name for _, name in OTHERS])
def test_every_other_network(path: Path, name: str) -> None:
    check(path, name)


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), first_networks(), ids=[name for _, name in first_networks()])
def test_unrolled(path: Path, name: str) -> None:
    net = reduced(path, name, **QUICK.get(path.stem, {}))
    if not any(param.sets for param in net.ir.params):
        pytest.skip("its loops have no sets of parameters")
    weights, inputs = weights_and_inputs(net, 1, SEEDS.get(name, 0))
    assert difference(net.after("unroll").ir, inputs, weights) < TOLERANCE
