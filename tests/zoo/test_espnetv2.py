"""ESPNetv2 for segmentation: the published figures, and that interpreter and torch compute the same."""

import pytest

from tests.zoo.figures import cost, disagreement


def test_published_figures() -> None:
    found = cost("espnetv2", "espnetv2")
    assert round(found.params / 1e6, 2) == 0.79
    assert found.macs == pytest.approx(2.699e9, rel=0.01)


def test_half_of_the_biases_are_added_in_the_authors_count() -> None:
    found = cost("espnetv2", "espnetv2")
    assert (found.params, found.macs) == (788_762, 2_697_742_960)
    assert round((found.macs + 20 * 256 * 512 / 2) / 1e9, 3) == 2.699


def test_19_outputs() -> None:
    found = cost("espnetv2", "espnetv2_19_outputs")
    assert (found.params, found.macs) == (787_488, 2_665_428_632)


def test_torch_is_the_interpreter() -> None:
    assert disagreement("espnetv2", "espnetv2", s=0.5, classes=8, planes=4, height=64, width=96) < 1e-4
