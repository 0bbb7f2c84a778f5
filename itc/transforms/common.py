"""Common subexpressions: an operation that has run already on the same operands does not run again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from itc.ir.net import Apply, Body, Loop, Net, Statement, Value
from itc.ir.ops.pointwise import Add, Maximum, Minimum, Mul
from itc.passes import Pass, Rewritten
from itc.transforms.rewriting import scores, stable, values, with_bodies, with_carries, with_outputs

COMMUTATIVE = (Add, Mul, Minimum, Maximum)


@dataclass(frozen=True)
class CommonSubexpressions(Pass):
    """Reads the first result where an operation would run again on the same operands; merges carries that are equal.

    Of operands of which only the shape is read, equal types are enough. What is not the same twice in training (a mask
    of dropout, a batch norm's update of its statistics) is merged with `training=false` only.
    """

    name: ClassVar[str] = "cse"
    summary: ClassVar[str] = "common subexpressions: what has been computed is not computed again"
    training: bool = True

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(stable(self.once, net))

    def once(self, net: Net) -> Net:
        merger = _Merger(net, self.training)
        body = merger.statements(net.body)
        return with_outputs(net, body, merger.env)


class _Merger:
    """The results in scope by what made them."""

    def __init__(self, net: Net, training: bool) -> None:
        self.scores = scores(net)
        self.training = training
        self.env: dict[str, Value] = {}
        self.known: dict[Hashable, tuple[Value, ...]] = {}
        self.added: list[Hashable] = []

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(new for statement in statements for new in self.statement(statement))

    def body(self, body: Body) -> Body:
        """A body of its own: it sees what is known outside, and what it adds ends with it."""
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
        """A loop without the carries that start and go on as an earlier one does."""
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
    """What the results depend on."""
    operands: tuple[Hashable, ...] = tuple(
        ("like", o.type) if isinstance(o, Value) and i in apply.op.shape_only else o
        for i, o in enumerate(apply.operands)
    )
    if isinstance(apply.op, COMMUTATIVE):
        operands = tuple(sorted(operands, key=repr))
    return apply.op, operands
