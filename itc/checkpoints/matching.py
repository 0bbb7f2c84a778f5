"""A proposed assignment of a file's layers to a net's, with lookup of partners in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from itc.checkpoints.layers import Layer

Pair = tuple[Layer, Layer]


@dataclass(frozen=True)
class Matching:
    """`pairs` are to be judged, `fixed` are decided; `unused` and `missing` have no partner. `index` is text order."""

    pairs: Sequence[Pair]
    fixed: Sequence[Pair]
    unused: Sequence[Layer]
    missing: Sequence[Layer]
    index: Mapping[str, int]

    @property
    def both(self) -> tuple[Pair, ...]:
        return (*self.fixed, *self.pairs)

    @cached_property
    def partner(self) -> dict[str, Layer]:
        """The net's layer for the path of a file's layer."""
        return {their.path: own for their, own in self.both}

    @cached_property
    def owner(self) -> dict[str, Layer]:
        """The file's layer for the path of a net's layer."""
        return {own.path: their for their, own in self.both}

    def position(self, their: Layer) -> int:
        """The position in the net's text of the partner of a paired layer."""
        return self.index[self.partner[their.path].path]


def parting(one: Layer, other: Layer) -> int:
    """The length of the common prefix of two layers' paths."""
    return next(
        (i for i, (a, b) in enumerate(zip(one.names, other.names, strict=False)) if a != b),
        min(len(one.names), len(other.names)),
    )
