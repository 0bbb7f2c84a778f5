"""UPerNet on ResNets: the counted figures, and that interpreter and torch compute the same."""

import pytest

from tests.zoo.figures import cost, disagreement


@pytest.mark.parametrize(
    ("network", "params", "giga_macs"),
    [("upernet50", 64_222_294, 244.7), ("upernet101", 83_214_422, 264.1), ("upernet152", 98_858_070, 283.5)],
)
def test_figures(network: str, params: int, giga_macs: float) -> None:
    found = cost("upernet", network)
    assert found.params == params
    assert round(found.macs / 1e9, 1) == giga_macs


def test_torch_is_the_interpreter() -> None:
    assert disagreement("upernet", "upernet50", size=64, depths=[2, 1, 2, 1], width=32, classes=5) < 1e-4
