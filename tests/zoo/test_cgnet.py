"""CGNet M3N21: the counted figures, and that interpreter and torch compute the same."""

import pytest

from tests.zoo.figures import cost, disagreement, mebibytes


@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [
        ("cgnet", 494_258, 2_223_290_880),
        ("cgnet_cityscapes", 496_306, 2_971_745_280),
        ("cgnet_cityscapes_large", 496_306, 6_762_312_704),
    ],
)
def test_figures(network: str, params: int, macs: int) -> None:
    found = cost("cgnet", network)
    assert (found.params, found.macs) == (params, macs)


def test_graph_size() -> None:
    assert mebibytes(cost("cgnet", "cgnet")) == 186.28


def test_torch_is_the_interpreter() -> None:
    assert disagreement("cgnet", "cgnet", n=5, height=40, width=48) < 1e-4
