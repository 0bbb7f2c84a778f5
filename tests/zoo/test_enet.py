"""ENet: the counted figures, and that interpreter and torch compute the same."""

import pytest

from tests.zoo.figures import cost, disagreement, mebibytes


@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [
        ("enet", 350_508, 1_280_923_200),
        ("enet_cityscapes", 351_660, 1_774_252_800),
        ("enet_cityscapes_large", 351_660, 4_037_410_816),
    ],
)
def test_figures(network: str, params: int, macs: int) -> None:
    found = cost("enet", network)
    assert (found.params, found.macs) == (params, macs)


def test_graph_size() -> None:
    assert mebibytes(cost("enet", "enet")) == 171.54


def test_torch_is_the_interpreter() -> None:
    # With seed 0 two elements of a pool's window are nearer than float32 rounds, so that either is the larger.
    assert disagreement("enet", "enet", seed=1, height=40, width=48) < 1e-4
