"""Peeling: the first and last iterations of loops are written out, and the loop runs those between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from itc.ir.net import Loop, Net
from itc.passes import Pass, Rewritten
from itc.transforms.loop_plans import Plan
from itc.transforms.unroll import bounded


@dataclass(frozen=True)
class Peel(Pass):
    """Writes the first and the last iterations of every loop out, in front of it and behind it.

    What the first iteration does not do, as in `if iteration > 1`, is then no condition any more. The loops that stay
    as they are, and the bound, are those of `unroll` in part.
    """

    name: ClassVar[str] = "peel"
    summary: ClassVar[str] = "the first=1 and last=0 iterations of every loop written out"
    first: int = 1
    last: int = 0

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(bounded(net, self.plan))

    def plan(self, loop: Loop) -> Plan | None:
        if not self.first + self.last:
            return None
        whole = loop.count <= self.first + self.last
        return Plan(loop.count) if whole else Plan(self.first, last=self.last)
