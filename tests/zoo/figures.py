"""The example networks by name: their costs, and inputs that suit them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from itc.analysis.cost import Cost
from itc.driver import load
from itc.ir import Net
from itc.ir.op import Array

EXAMPLES = Path(__file__).parents[2] / "examples"


def cost(file: str, network: str, **settings: Any) -> Cost:
    """What `examples/FILE.itn` costs as `network`."""
    return load(EXAMPLES / f"{file}.itn", network, **settings).cost()


def mebibytes(found: Cost) -> float:
    """The graph size as the tables have it, to two places."""
    return round(found.graph_bytes / 2**20, 2)


def tokens_as_integers(net: Net, inputs: dict[str, Array]) -> dict[str, Array]:
    """The inputs, those of integers rounded to ids from 0 to 4, which every vocabulary has."""
    integers = {value.name for value in net.inputs if value.tensor.dtype == "i64"}
    return {
        name: np.clip(np.abs(2 * array), 0, 4).astype(np.int64) if name in integers else array
        for name, array in inputs.items()
    }
