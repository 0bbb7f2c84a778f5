"""Every operation of itc, one family a file. Importing this package fills the registries of `itc.ir.op`."""

from itc.ir.ops import conv, norm, pointwise, pool, reduce, resize, shape

__all__ = ["conv", "norm", "pointwise", "pool", "reduce", "resize", "shape"]
