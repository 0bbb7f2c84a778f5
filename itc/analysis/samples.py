"""Random inputs of a net, of its types; integers are valid rows of its tables."""

from __future__ import annotations

import numpy as np

from itc.ir.net import Net, applies
from itc.ir.op import Array
from itc.ir.ops.table import Embed
from itc.ir.types import FLOATS, NUMPY_NAMES, TensorType


def random_inputs(net: Net, seed: int = 0) -> dict[str, Array]:
    """One sample for each required input: uniform from 0 to 1, or integers below `rows`."""
    rng, count = np.random.default_rng(seed), rows(net)
    return {value.name: _random(rng, value.tensor, count) for value in net.required}


def rows(net: Net) -> int:
    """The rows of the smallest embedding table; 2 if there is none."""
    tables = (net.operand_types(apply)[1] for apply in applies(net.body) if isinstance(apply.op, Embed))
    return min((table.shape[0] for table in tables), default=2)


def _random(rng: np.random.Generator, type: TensorType, count: int) -> Array:
    shape = (1, *type.shape)
    if type.dtype in FLOATS:
        return rng.random(shape, np.float32)
    most = 2 if type.dtype == "bool" else int(np.iinfo(NUMPY_NAMES[type.dtype]).max)
    return rng.integers(0, min(count, most), shape).astype(NUMPY_NAMES[type.dtype])
