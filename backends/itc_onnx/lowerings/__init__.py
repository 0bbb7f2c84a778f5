"""The one table from an operation of the IR to nodes of ONNX, one family per file."""

from itc_onnx.lowerings import (
    lookups,
    normalisations,
    pointwise,
    pools,
    products,
    regions,
    resizing,
    shapes,
    spatial,
)  # fmt: skip
from itc_onnx.lowerings.table import LOWERINGS, Operands, lowering, unsupported

__all__ = [
    "LOWERINGS", "Operands", "lookups", "lowering", "normalisations", "pointwise", "pools", "products", "regions",
    "resizing", "shapes", "spatial", "unsupported",
]  # fmt: skip
