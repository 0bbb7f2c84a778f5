"""Full and partial loop unrolling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from itc.diagnostics import fail
from itc.ir.net import Loop, Net, Statement, children
from itc.passes import Pass, Rewritten
from itc.transforms.expansion import expand
from itc.transforms.loop_plans import Plan, Planner, planned

MAX_STATEMENTS = 200_000


@dataclass(frozen=True)
class Unroll(Pass):
    """Replaces loops by clones of their body; with `factor=n` the loop stays, with n clones, followed by the remainder.

    Keys, sets and labels stay: set indices become constants, exits plain outputs. A loop that halts stays, since images
    end in different iterations, as does a loop that shares a series with it. Partial unrolling also excludes loops that
    read a series, or whose series is read by a loop. Raises CompileError (E0161) above 200,000 statements.
    """

    name: ClassVar[str] = "unroll"
    summary: ClassVar[str] = "replaces loops by clones of their body; with factor=n, n clones per iteration of the loop"
    factor: int = 0

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(bounded(net, self.plan))

    def plan(self, loop: Loop) -> Plan | None:
        if self.factor == 1:
            return None
        whole = not self.factor or loop.count <= self.factor
        return Plan(loop.count) if whole else Plan(0, self.factor)


def bounded(net: Net, planner: Planner) -> Net:
    """`net` expanded; raises CompileError if the result is too large."""
    plans = planned(net, planner)
    size = _size(net.body, plans)
    if size > MAX_STATEMENTS:
        message = f"{net.name} would be {size:,} statements, more than {MAX_STATEMENTS:,}"
        raise fail("E0161", message, net.span, help="leave its loops rolled, or unroll in part: unroll(factor=2)")
    return expand(net, planner)


def _size(statements: tuple[Statement, ...], plans: Mapping[str, Plan]) -> int:
    """Upper bound of the statements after the expansion."""
    total = 0
    for statement in statements:
        inside = sum(_size(body.statements, plans) for body in children(statement))
        if isinstance(statement, Loop) and statement.var in plans:
            plan = plans[statement.var]
            _, turns, end = plan.split(statement.count)
            inside *= end - turns * plan.factor + (plan.factor if turns else 0)
        total += 1 + inside
    return total
