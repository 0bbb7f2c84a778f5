"""Quantisation: a net in float32 becomes one in float16, or in int8 with scales from sample inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from itc.ir.net import Net
from itc.passes import Pass, Rewritten
from itc.transforms.half import to_half

#: The bits of an element in each precision but f32.
BITS = {"f16": 16, "i8": 8}


@dataclass(frozen=True)
class Quantize(Pass):
    """Rewrites element types and inserts casts; `bits` are 16 for f16. Inputs, outputs and halting scores stay f32."""

    name: ClassVar[str] = "quantize"
    summary: ClassVar[str] = "tensors in f16: sums in f32, each result rounded once"
    bits: int = 16

    def rewrite(self, net: Net) -> Rewritten:
        return to_half(net)
