"""Blocks of std against the sizes that their papers give."""

from __future__ import annotations

import numpy as np
import pytest

from itc.analysis.cost import cost
from itc.interpreter import interpret
from itc.source import Source
from itc_dsl import load_net
from tests.random_nets import random_inputs, random_weights


@pytest.mark.parametrize(
    ("stride", "out", "weights", "macs"),
    [
        # Howard et al. 2017, Section 3.1: D_K^2 M + M N weights, each used at D_F^2 places.
        (1, 64, 9 * 32 + 32 * 64, (9 * 32 + 32 * 64) * 112 * 112),
        (2, 128, 9 * 32 + 32 * 128, (9 * 32 + 32 * 128) * 56 * 56),
    ],
)
def test_a_depthwise_separable_convolution_is_mobilenets(stride: int, out: int, weights: int, macs: int) -> None:
    text = f"""from std import depthwise_separable

network n:
    input image: f32[32, 112, 112]
    emit y = depthwise_separable(image, {out}, stride={stride})
"""
    net = load_net(Source("spec", text))
    kinds = {"weight": 0, "scale": 0, "shift": 0}
    for param in net.params:
        if param.role in kinds:
            kinds[param.role] += param.size
    assert kinds == {"weight": weights, "scale": 32 + out, "shift": 32 + out}
    assert cost(net).macs == macs


@pytest.mark.parametrize(
    ("call", "result", "parameters"),
    [
        # Of 3 x 3 x (8 + 4) x 4 weights and 4 biases, three.
        ("conv_gru(x, state)", "f32[4, 6, 5]", 3 * (9 * 12 * 4 + 4)),
        ("squeeze_excite(x, 4)", "f32[8, 6, 5]", 8 * 2 + 2 + 2 * 8 + 8),
        ("correlation(x, x * 2, 1)", "f32[9, 6, 5]", 0),
        ("transformer_block(words, 2, causal=true)", "f32[7, 8]", 12 * 8 * 8 + 13 * 8),
        ("transformer_block(words, 2, mask=ids != 0, norm=rms_norm)", "f32[7, 8]", 12 * 8 * 8 + 11 * 8),
    ],
)
def test_sizes_by_hand(call: str, result: str, parameters: int) -> None:
    inputs = {"x": "f32[8, 6, 5]", "state": "f32[4, 6, 5]", "words": "f32[7, 8]", "ids": "i64[7]"}
    lines = [f"    input {name}: {type}\n    emit seen_{name} = {name}\n" for name, type in inputs.items()]
    text = f"from std import {call.partition('(')[0]}\n\nnetwork n:\n{''.join(lines)}    emit y = {call}\n"
    net = load_net(Source("spec", text))
    assert str(net.outputs[-1].value.type) == result
    assert cost(net).params == parameters


def test_the_middle_of_a_correlation_is_the_product_at_the_same_pixel() -> None:
    net = load_net(
        Source(
            "spec",
            """from std import correlation

network n:
    input a: f32[3, 5, 4]
    input b: f32[3, 5, 4]
    emit y = correlation(a, b, 1)
""",
        )
    )
    inputs = random_inputs(net)
    a, b = inputs["a"], inputs["b"]
    found = interpret(net, inputs, {})["y"]
    np.testing.assert_allclose(found[:, 4], (a * b).mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, 5, :, :-1], (a[..., :-1] * b[..., 1:]).mean(1), rtol=1e-5, atol=1e-6)
    assert not found[:, 5, :, -1].any()


def test_padding_is_not_seen() -> None:
    """The tokens of a text are the same with another padding behind it."""
    net = load_net(
        Source(
            "spec",
            """from std import transformer_block

network n:
    input x: f32[6, 8]
    input ids: i64[6]
    emit y = transformer_block(x, 2, mask=ids != 0)
""",
        )
    )
    weights, inputs = random_weights(net), random_inputs(net, 1)
    ids = np.array([[3, 1, 2, 5, 0, 0]])
    other = inputs["x"].copy()
    other[:, 4:] += 1
    first, second = (interpret(net, {"x": x, "ids": ids}, weights)["y"][:, :4] for x in (inputs["x"], other))
    np.testing.assert_array_equal(first, second)
