"""Operations along one axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from itc.ir.op import Array, Layer, Op, layer, needs, operation, takes
from itc.ir.types import TensorType


@operation
@dataclass(frozen=True)
class Softmax(Op):
    """exp(x) / sum of exp(x) over the channel axis (-3 for maps, -1 for vectors)."""

    name = "softmax"

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        takes(operands, "softmax", 1)
        needs(1, operands[0], "softmax")
        return (operands[0],)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        axis = -3 if x.ndim >= 4 else -1
        powers = np.exp(x - x.max(axis, keepdims=True))
        return (powers / powers.sum(axis, keepdims=True),)


@layer
def softmax(x: TensorType) -> Layer:
    """Softmax over the channels."""
    return Layer(Softmax())
