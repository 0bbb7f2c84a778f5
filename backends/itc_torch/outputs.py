"""The net's outputs under their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def named(labels: Sequence[Sequence[str]], values: Sequence[Tensor | Sequence[Tensor]]) -> dict[str, Tensor]:
    """Each value under its label, each element of a series under its own."""
    outputs: dict[str, Tensor] = {}
    for names, value in zip(labels, values, strict=True):
        elements = [value] if isinstance(value, Tensor) else value
        outputs |= zip(names, elements, strict=True)
    if is_tracing():
        name_traced(outputs)
    return outputs


def is_tracing() -> bool:
    """Whether PyTorch records a graph by running the module, as `torch.jit.trace` does."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def name_traced(tensors: Mapping[str, Tensor]) -> None:
    """Names the values of the graph that PyTorch traces: these are the names that inputs and outputs have in ONNX."""
    for name, tensor in tensors.items():
        if not name.isdigit():  # numbers are PyTorch's own names
            torch._C._get_value_trace(tensor).setDebugName(name)  # type: ignore[attr-defined]
