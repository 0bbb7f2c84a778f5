"""Loop-invariant code motion: what is the same in every iteration runs once, in front of the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When, applies
from itc.ir.uses import free, inner_values, results
from itc.passes import Pass, Rewritten
from itc.transforms.rewriting import scores, variables, with_bodies


@dataclass(frozen=True)
class Hoist(Pass):
    """Moves what depends neither on carries nor on the iteration out of loops, of nested ones as far as it goes.

    Inner loops and branches move as a whole. Out of a branch or an exit over the loop's own iterations moves only what
    the first iteration runs, and nothing from behind an exit of the first iteration that hands out an output: so
    nothing runs that did not, and no output costs more; a loop without iterations keeps all. Parameters keep their
    keys. What moves is alive for the whole loop, so peak activations may rise. Dropout and batch norm move with
    `training=false` only: each iteration draws a mask and updates statistics.
    """

    name: ClassVar[str] = "licm"
    summary: ClassVar[str] = "loop-invariant code motion: what is the same in every iteration runs once"
    training: bool = True

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(net.with_body(_Mover(net, self.training).statements(net.body)))


class _Mover:
    """Moves innermost first, so that what leaves one loop can leave the next."""

    def __init__(self, net: Net, training: bool) -> None:
        self.scores = scores(net)
        self.training = training
        self.outputs = {output.value.name for output in net.outputs}

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(new for statement in statements for new in self.statement(statement))

    def body(self, body: Body) -> Body:
        return replace(body, statements=self.statements(body.statements))

    def statement(self, statement: Statement) -> tuple[Statement, ...]:
        new = with_bodies(statement, {}, self.body)
        if not isinstance(new, Loop) or new.count < 1:
            return (new,)
        parts = _Parts(new, self)
        body = parts.outermost(new.body)
        return (*parts.outside, replace(new, body=body))

    def movable(self, statement: Statement) -> bool:
        """Whether a statement may run another number of times."""
        if isinstance(statement, Emit) or any(value.name in self.scores for value in results(statement)):
            return False
        return not self.training or all(apply.op.repeatable for apply in applies((statement,)))


class _Parts:
    """What moves in front of one loop, and the names that only an iteration defines."""

    def __init__(self, loop: Loop, mover: _Mover) -> None:
        self.loop = loop
        self.mover = mover
        self.outside: list[Statement] = []
        self.inside = {value.name for value in inner_values(loop)}
        self.starts = {carry.inner.name: carry.init for carry in loop.carries}

    def outermost(self, body: Body) -> Body:
        """The loop's body without what moves: down to the first exit that hands out an output in iteration 1."""
        statements = body.statements
        end = next((at for at, statement in enumerate(statements) if self.hands_out(statement)), len(statements)) + 1
        return replace(body, statements=(*self.body(Body(statements[:end]), first=True).statements, *statements[end:]))

    def hands_out(self, statement: Statement) -> bool:
        if not isinstance(statement, Emit) or 1 not in statement.iterations:
            return False
        series = next(series for emit, series in self.loop.collected if emit is statement)
        return any(value.name in self.mover.outputs for value in series)

    def body(self, body: Body, first: bool) -> Body:
        """A body without what moves; out of one that the first iteration does not run, nothing does."""
        kept: list[Statement] = []
        for statement in body.statements:
            moved = self.of_sizes(statement)
            if first and self.mover.movable(moved) and not self.depends(moved):
                self.outside.append(moved)
                continue
            kept.append(self.parts(statement, first))
            self.inside |= {value.name for value in results(statement)}
        return replace(body, statements=tuple(kept))

    def depends(self, statement: Statement) -> bool:
        return self.loop.var in variables(statement) or not self.inside.isdisjoint(free(statement))

    def of_sizes(self, statement: Statement) -> Statement:
        """An operation that reads only the shape of a carry, as one of what the carry starts as."""
        if not isinstance(statement, Apply) or not statement.op.shape_only:
            return statement
        operands = tuple(
            self.starts.get(o.name, o) if isinstance(o, Value) and i in statement.op.shape_only else o
            for i, o in enumerate(statement.operands)
        )
        return replace(statement, operands=operands)

    def parts(self, statement: Statement, first: bool) -> Statement:
        """A statement that stays, without the parts that move."""
        match statement:
            case When(var=var, iterations=iterations) if var == self.loop.var:
                body = self.body(statement.body, first and 1 in iterations)
                otherwise = self.body(statement.otherwise, first and 1 not in iterations)
                return replace(statement, body=body, otherwise=otherwise)
            case Emit(var=var, iterations=iterations) if var == self.loop.var:
                return replace(statement, body=self.body(statement.body, first and 1 in iterations))
        return statement
