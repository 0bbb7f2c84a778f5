"""Random inputs of a net, of its types; integers are valid rows of its tables."""

from __future__ import annotations

import numpy as np

from itc.ir.net import Net, applies
from itc.ir.op import Array
from itc.ir.types import FLOATS, NUMPY_NAMES, TensorType


def random_inputs(net: Net, seed: int = 0) -> dict[str, Array]:
    """One sample for each required input: uniform from 0 to 1, or integers below `rows`."""
    rng, count = np.random.default_rng(seed), rows(net)
    return {value.name: _random(rng, value.tensor, count) for value in net.required}


def rows(net: Net) -> int:
    """The rows of the smallest embedding table, or other choice by integers; 2 if there is none."""
    found = (apply.op.indexed(net.operand_types(apply)) for apply in applies(net.body))
    return min((each[1] for each in found if each), default=2)


def _random(rng: np.random.Generator, type: TensorType, count: int) -> Array:
    shape = (1, *type.shape)
    if type.dtype in FLOATS:
        return rng.random(shape, np.float32)
    most = 2 if type.dtype == "bool" else int(np.iinfo(NUMPY_NAMES[type.dtype]).max)
    return rng.integers(0, min(count, most), shape).astype(NUMPY_NAMES[type.dtype])
