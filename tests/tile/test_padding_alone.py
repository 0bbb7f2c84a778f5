"""Kernels whose windows see padding alone read nothing of their operands, and are computed and timed all the same."""

from __future__ import annotations

import numpy as np
import pytest

from itc.diagnostics import CompileError
from itc.driver import Network
from itc.source import Source
from itc_dsl import load_net

CALLS = [
    "conv(x, 1, 1, pad=10, stride=25)",
    "conv(x, 4, 3, pad=12, stride=40, bias=true)",
    "depthwise(x, 1, pad=10, stride=25)",
    "conv_transpose(x, 4, 3, stride=50, pad=170)",
    "relu(conv(x, 4, 1, pad=10, stride=25)) + 1",
]


@pytest.mark.parametrize("machine", ["gc200", "edge-16"])
@pytest.mark.parametrize("call", CALLS)
def test_values_and_times(call: str, machine: str) -> None:
    net = Network(load_net(Source("spec.itn", f"network net:\n    input x: f32[3, 8, 8]\n    emit y = {call}\n")))
    inputs, weights = {"x": np.ones((2, 3, 8, 8), np.float32)}, net.weights()
    compiled = net.compile(machine)
    found, expected = compiled.run(inputs, weights), net.interpret(inputs, weights)
    np.testing.assert_allclose(found["y"], expected["y"], rtol=1e-6, atol=1e-6)
    report = compiled.report
    assert all(output.ratio >= 1 for output in report.outputs)
    assert report.stream.ratio >= 1


def test_a_canvas_that_is_too_large() -> None:
    spec = "network net:\n    input x: f32[3, 8, 8]\n    emit y = conv_transpose(x, 4, 3, stride=5000, pad=17500)\n"
    net = Network(load_net(Source("spec.itn", spec)))
    inputs, weights = {"x": np.ones((1, 3, 8, 8), np.float32)}, net.weights()
    for entry in (net.interpret, net.compile("edge-16").run):
        with pytest.raises(CompileError, match=r"E0665.* GiB of memory, the limit is 1 GiB"):
            entry(inputs, weights)
