"""Convolutions with given kernels: a parameter of the network, or computed ones, different for each sample."""

from __future__ import annotations

from typing import Literal

import numpy as np

from itc.ir.op import Array, Layer, Pair, RuleError, layer, operation
from itc.ir.ops.conv import Conv, Convolution, same_pad
from itc.ir.rules import needs
from itc.ir.types import TensorType
from itc.records import dataclass


@operation
@dataclass(frozen=True)
class DynamicConv(Convolution):
    """A `conv` of a map whose weight [out, in / groups, ky, kx] is a tensor: each sample has its own."""

    name = "dynamic_conv"
    arity = (2, 2)

    @property
    def conv(self) -> Conv:
        """The convolution of one sample."""
        return Conv(self.stride, self.pad, self.dilation, self.groups)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        if len(operands[0].shape) != 3:
            raise RuleError(f"`{self.name}` needs a map (channels, height, width), not {operands[0]}", 0)
        self.check(*operands)
        return self.conv.result_types(*operands)

    def macs(self, *operands: TensorType) -> int:
        return self.conv.macs(*operands)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        samples = zip(*operands, strict=True)
        return (np.concatenate([self.conv.evaluate(x[None], weight)[0] for x, weight in samples]),)


@layer
def convolve(
    x: TensorType,
    kernel: TensorType,
    *,
    stride: Pair = (1, 1),
    pad: Pair | Literal["same"] = "same",
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Layer:
    """Convolution with a given kernel [out, in / groups, ky, kx]: a `param`, constant or trained, or a computed tensor.

    A computed kernel is one for each sample.
    """
    needs(3, x, "convolve")
    if len(kernel.shape) != 4:
        raise RuleError(f"a kernel has four axes [out, in / groups, ky, kx], not {kernel}", 1)
    size = (kernel.shape[2], kernel.shape[3])
    if pad == "same" and any(k % 2 == 0 for k in size):
        help = "give the padding as a number: `pad=0`"
        raise RuleError("`pad=same` needs an odd kernel", attribute="kernel", help=help)
    window = (stride, same_pad(size, dilation) if pad == "same" else pad, dilation, groups)
    return Layer(Conv(*window), weight=1, computed=DynamicConv(*window))
