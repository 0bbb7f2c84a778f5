"""Comparisons of tensors, and choices by their masks: values against NumPy's for the same expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from itc.interpreter import interpret
from itc.source import Source
from itc.weights import initial
from itc_dsl import load_net

Array = np.ndarray[Any, Any]

MASKS: dict[str, Callable[[Array, Array], Array]] = {
    "x < y": lambda x, y: x < y,
    "x >= y": lambda x, y: x >= y,
    "x == 1": lambda x, _: x == 1,
    "0 < x": lambda x, _: x > 0,
    "1 >= x": lambda x, _: x <= 1,
    "-1 < x <= y": lambda x, y: (x > -1) & (x <= y),
    "x > 0 and y > 0 or x != y": lambda x, y: (x > 0) & (y > 0) | (x != y),
    "not x > y": lambda x, y: ~(x > y),
    "(x > 0) == (y > 0)": lambda x, y: (x > 0) == (y > 0),
    "(x != none) and x > 0": lambda x, _: x > 0,
    "x == none or y > 0": lambda _, y: y > 0,
}
CHOICES: dict[str, Callable[[Array, Array], Array]] = {
    "where(x > y, x, -2)": lambda x, y: np.where(x > y, x, -2),
    "where(x > y, 3, y)": lambda x, y: np.where(x > y, 3, y),
    "clamp(x, -1, 0.5)": lambda x, _: np.clip(x, -1, 0.5),
    "clamp(x, max=0)": lambda x, _: np.minimum(x, 0),
    "maximum(0, x) + minimum(y, 1)": lambda x, y: np.maximum(x, 0) + np.minimum(y, 1),
}


def evaluated(expression: str, kind: str = "f32") -> tuple[Array, Array, Array]:
    """The value of an expression of two tensors of small whole numbers, and these."""
    inputs = f"    input x: {kind}[40]\n    input y: {kind}[40]\n"
    text = f"network n:\n{inputs}    emit z = {expression}\n    emit both = concat(x, y)\n"
    net = load_net(Source("spec.itn", text))
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(-2, 3, (2, 40)).astype("float32" if kind == "f32" else "int64") for name in "xy"}
    return interpret(net, arrays, {})["z"], arrays["x"], arrays["y"]


@pytest.mark.parametrize("kind", ["f32", "i64"])
@pytest.mark.parametrize("expression", MASKS)
def test_masks(expression: str, kind: str) -> None:
    found, x, y = evaluated(expression, kind)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, MASKS[expression](x, y))
    assert found.any() and not found.all()


@pytest.mark.parametrize("expression", CHOICES)
def test_choices(expression: str) -> None:
    found, x, y = evaluated(expression)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, CHOICES[expression](x, y))


def test_a_mask_of_an_iteration() -> None:
    text = """
@loop(3)
iterative f(carry x):
    x = where(x < iteration, x + 1, x)

network n:
    input x: f32[5]
    emit y = f(x)
"""
    net = load_net(Source("spec.itn", text))
    x = np.array([[-3, 0, 0.5, 2.5, 4]], np.float32)
    expected = x.copy()
    for iteration in (1, 2, 3):
        expected = np.where(expected < iteration, expected + 1, expected)
    np.testing.assert_array_equal(interpret(net, {"x": x}, initial(net))["y"], expected)
