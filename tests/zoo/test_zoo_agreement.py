"""Every network of `examples/` at a reduced input: torch rolled = torch unrolled = interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from itc.driver import Network
from itc_torch import load_weights, run
from tests.rounding import close, tolerances
from tests.zoo.reduced import QUICK, REDUCED, SEEDS, light_networks, networks, reduced, weights_and_inputs

COUNTS = (".iterations", ".remainder")


def ids(found: tuple[tuple[Path, str], ...]) -> list[str]:
    return [name for _, name in found]


def check(net: Network, seed: int) -> None:
    weights, inputs = weights_and_inputs(net, batch=2, seed=seed)
    expected = net.interpret(inputs, weights)
    values = {label: value for label, value in expected.items() if not label.endswith(COUNTS)}
    assert values
    assert all(float(value.std()) > 1e-3 * float(np.abs(value).max()) for value in values.values())
    allowed = tolerances(net.ir, inputs, weights, expected)
    for form in ("rolled", "unrolled"):
        module = net.torch(form)
        load_weights(module, weights)
        close(run(module, inputs), expected, allowed)


@pytest.mark.parametrize(("path", "name"), light_networks(), ids=ids(light_networks()))
def test_the_first_network_of_each_file(path: Path, name: str) -> None:
    check(reduced(path, name, **QUICK.get(path.stem, {})), seed=0 if path.stem in QUICK else SEEDS.get(name, 0))


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), networks(), ids=ids(networks()))
def test_every_network(path: Path, name: str) -> None:
    check(reduced(path, name), SEEDS.get(name, 0))


def test_no_reduction_is_for_a_file_that_is_not_there() -> None:
    files = {path.stem for path, _ in networks()}
    assert files >= REDUCED.keys() | QUICK.keys()
    assert set(ids(networks())) >= SEEDS.keys()
