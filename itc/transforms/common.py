"""Common subexpression elimination."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from itc.ir.net import Apply, Body, Loop, Net, Statement, Value
from itc.ir.ops.comparison import Maximum, Minimum
from itc.ir.ops.pointwise import Add, Mul
from itc.passes import Pass, Rewritten
from itc.transforms.rewriting import scores, stable, values, with_bodies, with_carries, with_outputs

COMMUTATIVE = (Add, Mul, Minimum, Maximum)


@dataclass(frozen=True)
class CommonSubexpressions(Pass):
    """Replaces a repeated operation on equal operands by the first one; merges equal carries.

    Operands whose shape alone is read are equal if their types are. Operations with an effect per execution in training
    (the mask of dropout, the statistics of a batch norm) are merged with `training=false` only.
    """

    name: ClassVar[str] = "cse"
    summary: ClassVar[str] = "common subexpression elimination; merges equal carries"
    training: bool = True

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(stable(self.once, net))

    def once(self, net: Net) -> Net:
        merger = _Merger(net, self.training)
        body = merger.statements(net.body)
        return with_outputs(net, body, merger.env)


class _Merger:
    """Available results in scope, by operation and operands."""

    def __init__(self, net: Net, training: bool) -> None:
        self.scores = scores(net)
        self.training = training
        self.env: dict[str, Value] = {}
        self.known: dict[Hashable, tuple[Value, ...]] = {}
        self.added: list[Hashable] = []

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(new for statement in statements for new in self.statement(statement))

    def body(self, body: Body) -> Body:
        """A nested body: outer results are available in it, its own results only until its end."""
        first = len(self.added)
        new = Body(self.statements(body.statements), values(body.yields, self.env))
        for key in self.added[first:]:
            del self.known[key]
        del self.added[first:]
        return new

    def statement(self, statement: Statement) -> tuple[Statement, ...]:
        if isinstance(statement, Loop):
            statement = self.without_twins(statement)
        new = with_bodies(statement, self.env, self.body)
        if not isinstance(new, Apply) or not (new.op.repeatable or not self.training):
            return (new,)
        key = _key(new)
        if key in self.known and not any(value.name in self.scores for value in new.results):
            self.env |= zip((value.name for value in new.results), self.known[key], strict=True)
            return ()
        if key not in self.known:
            self.known[key] = new.results
            self.added.append(key)
        return (new,)

    def without_twins(self, loop: Loop) -> Loop:
        """A loop without carries whose initial value and yield equal those of an earlier carry."""
        first: dict[tuple[Value, Value], tuple[Value, Value]] = {}
        kept = []
        for carry, after, result in zip(loop.carries, loop.body.yields, loop.carry_results, strict=True):
            key = (self.env.get(carry.init.name, carry.init), after)
            kept.append(key not in first or result.name in self.scores)
            if not kept[-1]:
                self.env[carry.inner.name], self.env[result.name] = first[key]
            first.setdefault(key, (carry.inner, result))
        return loop if all(kept) else with_carries(loop, kept)


def _key(apply: Apply) -> Hashable:
    """The operation and operands that determine the results."""
    operands: tuple[Hashable, ...] = tuple(
        ("like", o.type) if isinstance(o, Value) and i in apply.op.shape_only else o
        for i, o in enumerate(apply.operands)
    )
    if isinstance(apply.op, COMMUTATIVE):
        operands = tuple(sorted(operands, key=repr))
    return apply.op, operands
