"""Every operation as an ONNX model: onnxruntime's value is the reference's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itc.ir import OPS
from itc_onnx.lowerings import LOWERINGS
from tests.onnx.models import run_model
from tests.ops.draws import Drawn, operations
from tests.random_nets import on_random_nets

NAMES = sorted(op.name for op in LOWERINGS)


def test_every_operation_has_a_lowering() -> None:
    """But those of int8 nets, which are not exported (E0571)."""
    assert sorted(OPS.keys() - {"quantize", "dequantize"}) == NAMES


@pytest.mark.parametrize("name", NAMES)
@settings(on_random_nets, max_examples=4)
@given(st.data())
def test_as_the_reference(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    net, inputs, weights = drawn.net()
    (value,) = run_model(net, inputs, weights).values()
    expected = drawn.evaluate()
    assert value.shape == expected.shape
    assert value.dtype == expected.dtype
    tolerance = 1e-5 * max(1, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=tolerance)
