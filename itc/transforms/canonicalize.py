"""Canonical form: what is decided when the net is compiled is gone; the same values, and parameters as they were."""

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
    """Takes out conditions that all or no iterations meet, loops of one iteration, operations that do nothing.

    And what `when` branches agree on, and carries that no iteration changes. A loop that halts keeps its loop, and
    under `act` its carries: what leaves is a sum. `training=false` takes dropout and `detach` as doing nothing.
    """

    name: ClassVar[str] = "canonicalize"
    summary: ClassVar[str] = "decided conditions, loops of one iteration, operations and carries that do nothing"
    training: bool = True

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(stable(self.once, net))

    def once(self, net: Net) -> Net:
        net = expand(net, lambda loop: Plan(1) if loop.count == 1 else None)
        simpler = _Simpler(net, self.training)
        body = simpler.statements(net.body)
        return with_outputs(net, body, simpler.env)


class _Simpler:
    """Drops statements, and keeps what stands for their results in `env`."""

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
        """A `when` without the results on which its branches agree; none if it has no others."""
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
        """A loop without the carries that each iteration hands on as they came."""
        rows = list(zip(loop.carries, loop.body.yields, loop.carry_results, strict=True))
        changed = [carry.inner != after or result.name in self.scores for carry, after, result in rows]
        if loop.halt and not any(changed):
            changed = [True, *changed[1:]]  # a loop that halts has a carry
        if all(changed) or (loop.halt and loop.halt.kind == "act"):
            return loop
        for (carry, _, result), changes in zip(rows, changed, strict=True):
            if not changes:
                self.env[carry.inner.name] = self.env[result.name] = self.value(carry.init)
        return with_carries(loop, changed)
