"""Blocks of std against the sizes that their papers give."""

from __future__ import annotations

import pytest

from itc.analysis.cost import cost
from itc.source import Source
from itc_dsl import load_net


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
