"""Looped transformers: sizes, and what a step costs."""

import pytest

from itc.driver import load
from tests.zoo.figures import EXAMPLES, cost


@pytest.mark.parametrize(
    ("network", "params", "millions"),
    [("tiny_recursive_model", 5_029_378, 5), ("tiny_recursive_model_attention", 6_828_546, 7)],
)
def test_tiny_recursive_model(network: str, params: int, millions: int) -> None:
    found = cost("tiny_recursive_model", network)
    assert found.params == params
    assert round(params / 1e6) == millions


def test_a_step_runs_the_network_once_a_thought_and_once_a_cycle() -> None:
    """Per token of 97: two layers of gate, up and down, and the same over the tokens for each channel."""
    layer = 97 * 3 * 512 * 1536 + 512 * 3 * 97 * 512
    heads = 81 * 512 * 11 + 512 * 2
    found = cost("tiny_recursive_model", "tiny_recursive_model", steps=1)
    assert found.macs == 3 * (6 + 1) * 2 * layer + heads


def test_the_calls_of_the_network_share_their_parameters() -> None:
    keys = [param.key for param in load(EXAMPLES / "tiny_recursive_model.itn").ir.params]
    assert len([key for key in keys if "swiglu" in key]) == 2 * 2 * 3


def test_universal_transformer() -> None:
    """Two layers and three tables of words; each of six steps runs both layers on 64 tokens."""
    found = cost("universal_transformer", "universal_transformer")
    weights = {"encode": 4 * 1024**2 + 2 * 1024 * 4096, "decode": 8 * 1024**2 + 2 * 1024 * 4096}
    rest = 2 * (4096 + 1024) + (2 + 3) * 2 * 1024
    assert found.params == sum(weights.values()) + rest + 3 * 32_768 * 1024 == 130_043_904
    products = 3 * 2 * 64 * 64 * 1024
    assert found.macs == 6 * (64 * sum(weights.values()) + products) + 64 * 1024 * 32_768
