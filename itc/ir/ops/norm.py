"""Normalisation layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from itc.ir.op import Array, Layer, Op, ParamSpec, RuleError, layer, needs, operation, takes
from itc.ir.types import TensorType


@operation
@dataclass(frozen=True)
class BatchNorm(Op):
    """`(x - mean) / sqrt(var + eps) * scale + shift` a channel; in training with the statistics of the batch.

    Operands: x, scale, shift, mean, var. Training updates the statistics with `momentum`, as PyTorch does.
    """

    name = "batch_norm"
    pointwise = True
    eps: float = 1e-5
    momentum: float = 0.1

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        takes(operands, "batch_norm", 5)
        x, *params = operands
        needs(1, x, "batch_norm")
        for position, param in enumerate(params, start=1):
            if param.shape != (x.channels,):
                found = "x".join(map(str, param.shape))
                raise RuleError(f"the norm is for {found} channels, its operand has {x.channels}", 0, position)
        for attribute, value in (("eps", self.eps), ("momentum", self.momentum)):
            if not 0 <= value <= 1:
                raise RuleError(f"{attribute} is {value}, not between 0 and 1", attribute=attribute)
        return (x,)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, *params = operands
        broadcast = (-1, 1, 1) if x.ndim >= 4 else (-1,)
        scale, shift, mean, var = (p.reshape(broadcast) for p in params)
        return ((x - mean) / np.sqrt(var + np.asarray(self.eps, var.dtype)) * scale + shift,)


@layer
def batch_norm(x: TensorType, *, eps: float = 1e-5, momentum: float = 0.1) -> Layer:
    """Batch normalisation of every channel."""
    shape = (x.channels,)
    return Layer(
        BatchNorm(eps, momentum),
        (
            ParamSpec("weight", shape, "scale", "ones"),
            ParamSpec("bias", shape, "shift", "zeros"),
            ParamSpec("running_mean", shape, "mean", "zeros"),
            ParamSpec("running_var", shape, "var", "ones"),
        ),
    )
