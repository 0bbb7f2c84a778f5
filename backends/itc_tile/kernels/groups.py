"""Grouping of the operations of one body into kernels: operations in, the members of each kernel out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from itc.ir.net import Apply
from itc.ir.ops.resize import Resize
from itc.ir.uses import data_operands
from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.record import is_fusable


class Groups:
    """Kernels are known by the position of the operation that starts them; an operation may be a member of several.

    An operation that is a kernel already stays alone.
    """

    def __init__(self, applies: list[Apply], readers: Mapping[str, int], streamed: frozenset[str]) -> None:
        """`readers` counts who reads a value anywhere in the net; `streamed` are values that only leave the net."""
        self.applies = applies
        self.readers = readers
        self.streamed = streamed
        self.local: dict[str, list[int]] = defaultdict(list)
        for position, apply in enumerate(applies):
            for name in dict.fromkeys(value.name for value in data_operands(apply)):
                self.local[name].append(position)

    def ending(self, apply: Apply) -> list[Apply]:
        """The members, in order, of the kernel whose result `apply` makes; none where it is in the midst of others."""
        return self._by_end.get(apply.result.name, [])

    @cached_property
    def _by_end(self) -> dict[str, list[Apply]]:
        members: dict[int, list[Apply]] = defaultdict(list)
        for apply, kernels in zip(self.applies, self._memberships(self._anchored()), strict=True):
            for kernel in kernels:
                members[kernel].append(apply)
        return {applies[-1].result.name: applies for applies in members.values()}

    def _escapes(self, name: str) -> bool:
        """Whether the value has readers outside this body's operations."""
        return self.readers[name] > len(self.local[name])

    def _anchored(self) -> dict[int, int]:
        """For each operation with an anchor before it, or that is one, the kernel it belongs to."""
        kernel_of: dict[int, int] = {}
        ends: dict[str, int] = {}
        for position, apply in enumerate(self.applies):
            if isinstance(apply.op, Kernel):
                kernel_of[position] = position
                continue
            before = [value.name for value in data_operands(apply) if self._may_follow(value.name, position, ends)]
            if before:
                chosen = max(before, key=lambda name: (self.applies[ends[name]].op.counted, ends[name]))
                kernel_of[position] = ends[apply.result.name] = ends.pop(chosen)
            elif not is_fusable(apply.op):
                kernel_of[position] = ends[apply.result.name] = position
        return kernel_of

    def _may_follow(self, name: str, position: int, ends: Mapping[str, int]) -> bool:
        """Whether the operation at `position` can go on from `name`, the end of a kernel so far."""
        if name not in ends or self.local[name] != [position] or self._escapes(name):
            return False
        apply = self.applies[position]
        return apply.op.pointwise or (isinstance(apply.op, Resize) and apply.result.name in self.streamed)

    def _memberships(self, anchored: dict[int, int]) -> list[set[int]]:
        """The kernels that each operation is part of, found from the last to the first."""
        memberships: list[set[int]] = [set() for _ in self.applies]
        for position in range(len(self.applies) - 1, -1, -1):
            apply = self.applies[position]
            if position in anchored:
                memberships[position] = {anchored[position]}
                continue
            readers = set().union(*(memberships[reader] for reader in self.local[apply.result.name]))
            kept = self._escapes(apply.result.name) or not readers or (apply.op.pointwise and len(readers) > 1)
            kept = kept or any(isinstance(self.applies[reader].op, Kernel) for reader in self.local[apply.result.name])
            memberships[position] = {position} if kept else readers
        return memberships
