"""All operations of the IR, one family per file; importing this package fills the registries of `itc.ir.op`."""

from itc.ir.ops import (
    activation,
    cast,
    comparison,
    conv,
    conv_transpose,
    dynamic_conv,
    lookup,
    matmul,
    norm,
    part,
    pointwise,
    pool,
    position,
    rearrange,
    rectifier,
    reduce,
    region,
    resize,
    shape,
    spatial,
    table,
    unpool,
)  # fmt: skip

__all__ = [
    "activation", "cast", "comparison", "conv", "conv_transpose", "dynamic_conv", "lookup", "matmul", "norm",
    "part", "pointwise", "pool", "position", "rearrange", "rectifier", "reduce", "region", "resize", "shape",
    "spatial", "table", "unpool",
]  # fmt: skip
