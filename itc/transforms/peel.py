"""Loop peeling: moves the first and last iterations out of loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from itc.ir.net import Loop, Net
from itc.passes import Pass, Rewritten
from itc.transforms.loop_plans import Plan
from itc.transforms.unroll import bounded


@dataclass(frozen=True)
class Peel(Pass):
    """Moves the first and last iterations of each loop out, before and after it.

    Conditions on the first iteration, such as `if iteration > 1`, are then static. The same loops stay unchanged as in
    partial unrolling, and the same limit applies.
    """

    name: ClassVar[str] = "peel"
    summary: ClassVar[str] = "moves the first=1 and last=0 iterations of each loop out of it"
    first: int = 1
    last: int = 0

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(bounded(net, self.plan))

    def plan(self, loop: Loop) -> Plan | None:
        if not self.first + self.last:
            return None
        whole = loop.count <= self.first + self.last
        return Plan(loop.count) if whole else Plan(self.first, last=self.last)
