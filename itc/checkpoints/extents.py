"""Extents of modules: the positions in a net known to belong to a module of a file, or to other modules."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from itc.checkpoints.layers import Layer, Signature
from itc.checkpoints.matching import Matching, Pair, parting
from itc.ir.op import Array


@dataclass(eq=False)
class Extents:
    """The extents of a file's modules; `certain` are layers with decided partners, besides those decided by shape."""

    matching: Matching
    certain: frozenset[str]
    known: dict[str, Extent] = field(default_factory=dict)

    def outside(self, their: Layer, other: Pair) -> bool:
        """Whether layers outside a module of this layer separate it from the position of `other`."""
        return self.beyond(their, parting(their, other[0]) + 1, self.matching.index[other[1].path], True)

    def beyond(self, their: Layer, start: int, at: int, down: bool = False) -> bool:
        depths = range(start, len(their.names)) if down else range(len(their.names) - 1, 0, -1)
        return any(self._extent(".".join(their.names[:depth])).leaves(at) for depth in depths)

    def branch(self, their: Layer, other: Layer) -> str:
        return ".".join(their.names[: parting(their, other) + 1])

    @cached_property
    def _members(self) -> dict[str, list[Layer]]:
        """The layers of each module of the file."""
        out: dict[str, list[Layer]] = {}
        for layer in self._everyone:
            for at in range(1, len(layer.names)):
                out.setdefault(".".join(layer.names[:at]), []).append(layer)
        return out

    @cached_property
    def _everyone(self) -> list[Layer]:
        return [*(their for their, _ in self.matching.both), *self.matching.unused]

    @cached_property
    def _totals(self) -> Counter[Signature]:
        return Counter(layer.signature for layer in self._everyone)

    def _extent(self, module: str) -> Extent:
        """The positions in the net known to belong to a module of the file, or to others."""
        if module not in self.known:
            self.known[module] = self._measured(self._members[module])
        return self.known[module]

    def _measured(self, members: list[Layer]) -> Extent:
        """None for a module whose layers are separated in the proposal, to which the rule does not apply."""
        counts = Counter(layer.signature for layer in members)
        names = {layer.path for layer in members}
        paired = [layer for layer in members if layer.path in self.matching.partner]
        positions = {layer.path: self.matching.position(layer) for layer in paired}
        inside = [
            positions[layer.path]
            for layer in paired
            if layer.path in self.certain or counts[layer.signature] == self._totals[layer.signature]
        ]
        others = np.zeros(len(self.matching.index) + 1, np.int64)
        for path, at in self.matching.index.items():
            owner = self.matching.owner.get(path)
            signature = owner.signature if owner else self._signatures.get(path)
            elsewhere = owner is not None and owner.path in self.certain and owner.path not in names
            others[at + 1] = elsewhere or (signature is not None and signature not in counts)
        extent = Extent(min(inside, default=-1), max(inside, default=-1), np.cumsum(others))
        holds = not any(extent.leaves(at) for at in positions.values())
        return extent if holds else Extent(-1, -1, extent.others)

    @cached_property
    def _signatures(self) -> dict[str, Signature]:
        return {layer.path: layer.signature for layer in self.matching.missing}


@dataclass(frozen=True)
class Extent:
    """The first and last known position of a module in the net, and the number of other modules' layers before each."""

    first: int
    last: int
    others: Array

    def leaves(self, at: int) -> bool:
        """Whether layers of other modules are between the module's known extent and this position."""
        if self.first < 0:
            return False
        low, high = min(self.first, at), max(self.last, at)
        return bool(self.others[high + 1] - self.others[low])
