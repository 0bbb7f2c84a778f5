"""The net's outputs under their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor


def named(labels: Sequence[Sequence[str]], values: Sequence[Tensor | Sequence[Tensor]]) -> dict[str, Tensor]:
    """Each value under its label, each element of a series under its own."""
    return dict(pair for names, value in zip(labels, values, strict=True) for pair in _pairs(names, value))


def _pairs(names: Sequence[str], value: Tensor | Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
    elements = [value] if isinstance(value, Tensor) else value
    return zip(names, elements, strict=True)
