"""Transposed convolutions, which upsample by their stride."""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from itc.ir.op import Array, Layer, Pair, ParamSpec, RuleError, Types, layer, operation
from itc.ir.ops.conv import Convolution, WeightInit, biases, padded_elements, weight_init
from itc.ir.rules import at_least, needs, needs_param, sums_of
from itc.ir.types import TensorType
from itc.records import dataclass


def transposed_size(size: int, kernel: int, stride: int, pad: int, output_pad: int, dilation: int) -> int:
    """Size of the result along one axis, as in PyTorch."""
    return (size - 1) * stride - 2 * pad + dilation * (kernel - 1) + output_pad + 1


@operation
@dataclass(frozen=True)
class ConvTranspose(Convolution):
    """Transposed convolution as in PyTorch's `conv_transpose2d`: each input pixel adds a scaled kernel to the result.

    `weight` is [in, out / groups, ky, kx], with an optional `bias` [out]. `output_pad` is added at the end, to
    disambiguate the output size, as in PyTorch.
    """

    name = "conv_transpose"
    output_pad: Pair = (0, 0)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        self.check(*operands)
        at_least(0, "output_pad", self.output_pad)
        x, weight = operands[:2]
        into, per_group, *kernel = weight.shape
        if x.channels != into:
            raise RuleError(f"the weight takes {into} channels, its operand has {x.channels}", 0, 1)
        if into % self.groups:
            raise RuleError(f"{into} channels do not divide into {self.groups} groups", 0)
        if any(o >= max(s, d) for o, s, d in zip(self.output_pad, self.stride, self.dilation, strict=True)):
            raise RuleError("`output_pad` is smaller than the stride or the dilation", attribute="output_pad")
        needs_param(self.name, operands, 2, (per_group * self.groups,))
        sizes = self.sizes(x.shape, (kernel[0], kernel[1]))
        if min(sizes) < 1:
            raise RuleError(f"a padding of {list(self.pad)} leaves an empty result", 0, attribute="pad")
        return (sums_of(x.with_shape((*x.shape[:-3], per_group * self.groups, *sizes))),)

    def sizes(self, x: tuple[int, ...], kernel: Pair) -> Pair:
        """Height and width of the result, from the operand's shape."""
        height, width = (
            transposed_size(*numbers)
            for numbers in zip(x[-2:], kernel, self.stride, self.pad, self.output_pad, self.dilation, strict=True)
        )
        return height, width

    def macs(self, *operands: TensorType) -> int:
        """Each input element is multiplied with out / groups kernels, as PyTorch's profilers count.

        Cropped pixels count; zeros between the strides of the equivalent convolution do not.
        """
        return operands[0].size * prod(operands[1].shape[1:])

    def temporary_bytes(self, types: Types, results: Types) -> int:
        return 4 * (padded_elements(results[0], [2 * p for p in self.pad]) + results[0].size)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, weight, *bias = operands
        leading, (height, width) = x.shape[:-3], self.sizes(x.shape, weight.shape[2:])
        x = x.reshape(-1, *x.shape[-3:])
        canvas = np.zeros((len(x), weight.shape[1] * self.groups, *self._canvas(x.shape, weight.shape)), x.dtype)
        for i in range(weight.shape[2]):
            for j in range(weight.shape[3]):
                rows, columns = (
                    slice(t * d, t * d + (n - 1) * s + 1, s)
                    for t, d, s, n in zip((i, j), self.dilation, self.stride, x.shape[-2:], strict=True)
                )
                canvas[:, :, rows, columns] += self._product(x, weight[:, :, i, j])
        top, left = self.pad
        out = canvas[:, :, top : top + height, left : left + width]
        out = out + bias[0][:, None, None] if bias else out
        return (out.reshape(*leading, *out.shape[1:]),)

    def _canvas(self, x: tuple[int, ...], weight: tuple[int, ...]) -> tuple[int, ...]:
        """Height and width before cropping the padding."""
        height, width = self.sizes(x, (weight[2], weight[3]))
        return height + 2 * self.pad[0], width + 2 * self.pad[1]

    def _product(self, x: Array, weight: Array) -> Array:
        """The summands of all pixels of the operand at one kernel position."""
        batch, channels, height, width = x.shape
        grouped = x.reshape(batch, self.groups, channels // self.groups, -1)
        weights = weight.reshape(self.groups, channels // self.groups, -1).swapaxes(-1, -2)
        return np.asarray(np.matmul(weights, grouped).reshape(batch, -1, height, width))


@layer
def conv_transpose(
    x: TensorType,
    out: int,
    kernel: Pair = (3, 3),
    *,
    stride: Pair = (2, 2),
    pad: Pair | Literal["same"] = "same",
    output_pad: Pair | None = None,
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: bool = False,
    init: WeightInit = "kaiming",
    std: float | None = None,
    bias_init: float = 0.0,
) -> Layer:
    """Transposed convolution to `out` channels; with `pad=same`, the result has `stride` times the size of `x`."""
    needs(3, x, "conv_transpose")
    at_least(1, "out", out)
    for attribute, value in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        at_least(1, attribute, value)
    if groups < 1 or x.channels % groups or out % groups:
        raise RuleError(
            f"{groups} groups do not divide {x.channels} input and {out} output channels", attribute="groups"
        )
    if pad == "same" and output_pad is not None:
        help = "give `pad` as a number, or remove `output_pad`"
        raise RuleError("`pad=same` sets `output_pad` itself", attribute="output_pad", help=help)
    if pad == "same" and any(
        s == 1 and d == 1 and k % 2 == 0 for k, s, d in zip(kernel, stride, dilation, strict=True)
    ):
        help = "give the padding as a number: `pad=0`"
        raise RuleError("`pad=same` at stride 1 needs an odd kernel", attribute="kernel", help=help)
    pads = _multiplying(kernel, stride, dilation) if pad == "same" else (pad, output_pad or (0, 0))
    weight = ParamSpec("weight", (x.channels, out // groups, *kernel), "weight", weight_init(init, std))
    op = ConvTranspose(stride, pads[0], dilation, groups, pads[1])
    return Layer(op, (weight, *biases(bias, out, bias_init)))


def _multiplying(kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """`pad` and `output_pad` for a result of the operand's size times the stride."""
    excess = [d * (k - 1) + 1 - s for k, s, d in zip(kernel, stride, dilation, strict=True)]
    top, left = (max(0, -(-e // 2)) for e in excess)
    return (top, left), (2 * top - excess[0], 2 * left - excess[1])
