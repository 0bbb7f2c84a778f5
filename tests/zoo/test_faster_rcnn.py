"""Faster R-CNN on ResNets: the counted figures, and that interpreter and torch find the same regions and labels."""

from typing import Any

import pytest

from tests.zoo.figures import cost, disagreement


@pytest.mark.parametrize(
    ("network", "params", "giga_macs"), [("faster_rcnn101", 47_462_111, 146.85), ("faster_rcnn152", 63_105_759, 182.73)]
)
def test_figures(network: str, params: int, giga_macs: float) -> None:
    found = cost("faster_rcnn", network)
    assert found.params == params
    assert round(found.macs / 1e9, 2) == giga_macs


def test_torch_is_the_interpreter() -> None:
    small: dict[str, Any] = {"depths": [1, 1, 2, 1], "classes": 4, "count": 6, "height": 96, "width": 128}
    assert disagreement("faster_rcnn", "faster_rcnn101", **small) < 1e-4
