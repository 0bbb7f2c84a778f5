"""Canonicalisation: resolves static conditions and removes statements without effect; values and parameters stay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from itc.ir.net import Apply, Body, Loop, Net, Statement, Value, When
from itc.passes import Pass, Rewritten
from itc.transforms.expansion import expand
from itc.transforms.identities import is_identity
from itc.transforms.loop_plans import Plan
from itc.transforms.rewriting import scores, stable, values, with_bodies, with_carries, with_outputs


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Removes conditions met by all or no iterations, loops of one iteration, and identity operations.

    It also removes results equal in both branches of a `when`, and constant carries. A loop that halts stays, as do,
    under `act`, its carries, since its results are sums. With `training=false`, dropout and `detach` are identities.
    """

    name: ClassVar[str] = "canonicalize"
    summary: ClassVar[str] = (
        "removes static conditions, loops of one iteration, identity operations and constant carries"
    )
    training: bool = True

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(stable(self.once, net))

    def once(self, net: Net) -> Net:
        net = expand(net, lambda loop: Plan(1) if loop.count == 1 else None)
        simpler = _Simpler(net, self.training)
        body = simpler.statements(net.body)
        return with_outputs(net, body, simpler.env)


class _Simpler:
    """Removes statements; `env` maps their results to the replacing values."""

    def __init__(self, net: Net, training: bool) -> None:
        self.scores = scores(net)
        self.training = training
        self.env: dict[str, Value] = {}

    def value(self, value: Value) -> Value:
        return self.env.get(value.name, value)

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(new for statement in statements for new in self.statement(statement))

    def body(self, body: Body) -> Body:
        return Body(self.statements(body.statements), values(body.yields, self.env))

    def statement(self, statement: Statement) -> tuple[Statement, ...]:
        if isinstance(statement, Loop):
            statement = self.without_unchanged(statement)
        new = with_bodies(statement, self.env, self.body)
        if isinstance(new, Apply) and new.result.name not in self.scores and is_identity(new, self.training):
            (first, *_) = new.values
            self.env[new.result.name] = first
            return ()
        return self.agreed(new) if isinstance(new, When) else (new,)

    def agreed(self, when: When) -> tuple[Statement, ...]:
        """A `when` without the results equal in both branches, or nothing if no others remain."""
        rows = zip(when.results, when.body.yields, when.otherwise.yields, strict=True)
        kept = []
        for result, chosen, other in rows:
            if chosen == other and result.name not in self.scores:
                self.env[result.name] = chosen
            else:
                kept.append((result, chosen, other))
        if not kept:
            return ()
        results, chosens, others = zip(*kept, strict=True)
        body, otherwise = replace(when.body, yields=chosens), replace(when.otherwise, yields=others)
        return (replace(when, body=body, otherwise=otherwise, results=results),)

    def without_unchanged(self, loop: Loop) -> Loop:
        """A loop without constant carries, which the body yields unchanged."""
        rows = list(zip(loop.carries, loop.body.yields, loop.carry_results, strict=True))
        changed = [carry.inner != after or result.name in self.scores for carry, after, result in rows]
        if loop.halt and not any(changed):
            changed = [True, *changed[1:]]  # a loop that halts needs a carry
        if all(changed) or (loop.halt and loop.halt.kind == "act"):
            return loop
        for (carry, _, result), changes in zip(rows, changed, strict=True):
            if not changes:
                self.env[carry.inner.name] = self.env[result.name] = self.value(carry.init)
        return with_carries(loop, changed)
