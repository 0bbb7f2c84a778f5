"""Recurrent U-Net: what a step costs, and that interpreter and torch compute the same at every step."""

import pytest

from tests.zoo.figures import cost, disagreement


@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [("recurrent_unet", 197_299, 2_107_637_760), ("recurrent_unet_wide", 784_403, 7_520_387_072)],
)
def test_figures(network: str, params: int, macs: int) -> None:
    found = cost("recurrent_unet", network)
    assert found.params == params
    assert [output.macs for output in found.outputs] == [macs, 2 * macs, 3 * macs]


def test_torch_is_the_interpreter() -> None:
    assert disagreement("recurrent_unet", "recurrent_unet", height=32, width=48, classes=5) < 1e-4
