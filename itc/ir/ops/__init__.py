"""All operations of the IR, one family per file; importing this package fills the registries of `itc.ir.op`."""

from itc.ir.ops import (
    activation,
    cast,
    conv,
    conv_transpose,
    matmul,
    norm,
    part,
    pointwise,
    pool,
    position,
    quantization,
    rearrange,
    reduce,
    region,
    resize,
    shape,
    table,
    unpool,
)  # fmt: skip

__all__ = [
    "activation", "cast", "conv", "conv_transpose", "matmul", "norm", "part", "pointwise", "pool", "position",
    "quantization", "rearrange", "reduce", "region", "resize", "shape", "table", "unpool",
]  # fmt: skip
