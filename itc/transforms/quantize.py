"""Quantisation: a net in float32 becomes one in float16, or in int8 with scales from sample inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from itc.ir.net import Net
from itc.ir.op import Array
from itc.passes import Pass, Rewritten, Weights, WrongPass
from itc.transforms.calibration import drawn, given, magnitudes
from itc.transforms.half import to_half
from itc.transforms.int8 import to_int

PRECISIONS = ("f32", "f16", "i8")


@dataclass(frozen=True)
class Quantize(Pass):
    """Rewrites element types and inserts casts; inputs, outputs and halting scores stay f32 (docs/precision.md).

    `bits` are 16 for f16, or 8 for i8. The scales of i8 are those of `samples` random inputs, the first of them drawn
    with `seed`, or of `inputs`, arrays [batch, ...] by name.
    """

    name: ClassVar[str] = "quantize"
    summary: ClassVar[str] = "float16 tensors with sums in float32 (bits=16), or int8 with sums in int32 (bits=8)"
    bits: int = 16
    samples: int = 32
    seed: int = 0
    inputs: Mapping[str, Array] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.bits not in (8, 16):
            raise WrongPass(f"`bits` of `quantize` is 16 or 8, not {self.bits}")
        if self.samples < 1:
            raise WrongPass(f"`samples` of `quantize` is at least 1, not {self.samples}")

    def rewrite(self, net: Net) -> Rewritten:
        return to_half(net) if self.bits == 16 else to_int(net, self.magnitudes)

    def magnitudes(self, net: Net, weights: Weights) -> dict[str, float]:
        """The largest magnitude of each value over the sample inputs."""
        samples = drawn(net, self.samples, self.seed) if self.inputs is None else given(net, self.inputs)
        return magnitudes(net, weights, samples)


def quantization(
    precision: str, inputs: Mapping[str, Array] | None = None, samples: int = 32, seed: int = 0
) -> tuple[Quantize, ...]:
    """The pass to a precision, none for `f32`. Raises ValueError for an unknown one."""
    if precision not in PRECISIONS:
        raise ValueError(f"the precision is {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}, not {precision!r:.60}")
    return () if precision == "f32" else (Quantize(16 if precision == "f16" else 8, samples, seed, inputs),)
