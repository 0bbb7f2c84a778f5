"""A quantised net in every form: the interpreter, torch and the tiles, on equal arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from itc.interpreter import interpret
from itc.ir import Net
from itc.ir.op import Array

Arrays = Mapping[str, Array]
#: What float16 with float32 sums may differ from float64, as a share of the largest element.
HALF = 5e-3


def in_double(net: Net, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
    """The outputs of a net in f32, computed in float64."""
    return interpret(net, doubles(inputs), doubles(weights))


def doubles(arrays: Arrays) -> dict[str, Array]:
    return {key: array.astype(np.float64) if array.dtype == np.float32 else array for key, array in arrays.items()}


def worst(found: Arrays, expected: Arrays) -> float:
    """The largest max |a - b| / max |b| over the outputs; infinite where one of them is not finite."""
    assert found.keys() == expected.keys()
    offs = [_off(found[label].astype(np.float64), value) for label, value in expected.items()]
    return max(offs, default=0.0)


def _off(found: Array, expected: Array) -> float:
    off = float(np.abs(found - expected).max(initial=0) / max(float(np.abs(expected).max(initial=0)), 1e-30))
    return off if np.isfinite(off) else np.inf
