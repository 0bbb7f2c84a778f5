"""ESPNetv2 for segmentation: what is counted, and what the authors' own count adds to it."""

from tests.zoo.figures import cost


def test_half_of_the_biases_are_added_in_the_authors_count() -> None:
    found = cost("espnetv2", "espnetv2")
    assert (found.params, found.macs) == (788_762, 2_697_742_960)
    assert round((found.macs + 20 * 256 * 512 / 2) / 1e9, 3) == 2.699


def test_19_outputs() -> None:
    found = cost("espnetv2", "espnetv2_19_outputs")
    assert (found.params, found.macs) == (787_488, 2_665_428_632)
