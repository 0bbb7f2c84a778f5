"""The one table from an operation of the IR to nodes of ONNX, one family per file."""

from itc_onnx.lowerings import normalisations, pointwise, pools, products, regions, resizing, shapes
from itc_onnx.lowerings.table import LOWERINGS, Operands, lowering, unsupported

__all__ = [
    "LOWERINGS", "Operands", "lowering", "normalisations", "pointwise", "pools", "products", "regions", "resizing",
    "shapes", "unsupported",
]  # fmt: skip
