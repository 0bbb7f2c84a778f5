"""The iterative networks come to the counted figures to the digit, and to the published ones within their rounding."""

from __future__ import annotations

from pathlib import Path

import pytest

from itc.analysis.cost import cost
from itc.ir import Loop, Net
from itc_dsl import load_net, read_source

EXAMPLES = Path(__file__).parents[2] / "examples"


def net_of(file: str, network: str) -> Net:
    return load_net(read_source(EXAMPLES / f"{file}.itn"), network=network)


CLASSIFIER, SMALL_CLASSIFIER = 2_049_000, 1_025_000


@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [
        ("cifar10_e1", 4_205_774, 2.316e9),
        ("cifar10_e2", 5_580_366, 2.765e9),
        ("cifar10_e3", 7_294_798, 3.221e9),
        ("cifar10_e4", 9_353_294, 3.6905e9),
        ("cifar10_e1_separable", 1_453_070, 0.648e9),
        ("cifar10_e2_separable", 2_827_662, 1.097e9),
        ("cifar10_e3_separable", 4_542_094, 1.553e9),
        ("cifar10_e4_separable", 6_600_590, 2.022e9),
        ("iterative_net", 9_340_484 + CLASSIFIER, 11.40e9),
        ("iterative_net_small", 5_577_796 + SMALL_CLASSIFIER, 8.57e9),
        ("iterative_net_double", 15_894_856 + CLASSIFIER, 22.33e9),
    ],
)
def test_iterative_net(network: str, params: int, macs: float) -> None:
    found = cost(net_of("iterative_net", network))
    assert found.params == params
    assert found.macs == pytest.approx(macs, rel=1e-3)


def test_macs_of_the_largest_on_cifar10_to_the_digit() -> None:
    assert cost(net_of("iterative_net", "cifar10_e4")).macs == 3_690_519_680


@pytest.mark.parametrize(
    ("network", "params", "millions", "published", "depths"),
    [
        ("iamnn", 4_773_036, 4.77, 5.0, [3, 8, 36, 3]),
        ("iamnn_once", 4_706_988, 4.71, 4.8, [1, 1, 1, 1]),
        ("iamnn_cifar10", 4_234_446, 4.23, 4.5, [3, 4, 23, 3]),
        ("iamnn_cifar100", 4_280_616, 4.28, 4.6, [3, 4, 23, 3]),
    ],
)
def test_iamnn(network: str, params: int, millions: float, published: float, depths: list[int]) -> None:
    net = net_of("iamnn", network)
    assert cost(net).params == params
    assert round(params / 1e6, 2) == millions
    assert params / 1e6 == pytest.approx(published, rel=0.075)
    assert [s.count for s in net.body if isinstance(s, Loop) and s.halt] == depths
    assert net.labels[:3] == ("label", "stage.0.iterations", "stage.0.remainder")
