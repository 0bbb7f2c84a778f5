"""Quantisation: a net in float32 becomes one in a narrower precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from itc.ir.net import Net
from itc.passes import Pass, Rewritten
from itc.transforms.half import to_half

PRECISIONS = ("f32", "f16")


@dataclass(frozen=True)
class Quantize(Pass):
    """Rewrites element types and inserts casts; inputs, outputs and halting scores stay f32 (docs/precision.md)."""

    name: ClassVar[str] = "quantize"
    summary: ClassVar[str] = "float16 tensors: operations compute in float32 and round their results once"
    bits: int = 16

    def rewrite(self, net: Net) -> Rewritten:
        return to_half(net)


def quantization(precision: str) -> tuple[Quantize, ...]:
    """The pass to a precision, none for `f32`. Raises ValueError for an unknown one."""
    if precision not in PRECISIONS:
        raise ValueError(f"the precision is {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}, not {precision!r:.60}")
    return () if precision == "f32" else (Quantize(),)
