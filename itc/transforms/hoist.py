"""Loop-invariant code motion: moves invariant statements before the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When, applies
from itc.ir.uses import free, inner_values, results
from itc.passes import Pass, Rewritten
from itc.transforms.rewriting import scores, variables, with_bodies


@dataclass(frozen=True)
class Hoist(Pass):
    """Moves statements that depend neither on carries nor on the iteration out of loops, as far out as possible.

    Nested loops and branches move as a whole. From a branch or an exit on the loop's own iterations, a statement moves
    only if the first iteration runs it, and none moves from after an exit of the first iteration that yields an output:
    so no statement runs that did not before, and the cost up to each output does not rise. Parameters keep their keys.
    Moved values are live for the whole loop, so peak activations may rise. Dropout and batch norm move with
    `training=false` only, since each execution draws a mask or updates statistics.
    """

    name: ClassVar[str] = "licm"
    summary: ClassVar[str] = "loop-invariant code motion: invariant statements run once, before the loop"
    training: bool = True

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(net.with_body(_Mover(net, self.training).statements(net.body)))


class _Mover:
    """Moves innermost loops first, so that statements can leave several loops."""

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
        """Whether the number of executions of a statement may change."""
        if isinstance(statement, Emit) or any(value.name in self.scores for value in results(statement)):
            return False
        return not self.training or all(apply.op.repeatable for apply in applies((statement,)))


class _Parts:
    """The statements moved before one loop, and the names defined in its iterations."""

    def __init__(self, loop: Loop, mover: _Mover) -> None:
        self.loop = loop
        self.mover = mover
        self.outside: list[Statement] = []
        self.inside = {value.name for value in inner_values(loop)}
        self.starts = {carry.inner.name: carry.init for carry in loop.carries}

    def outermost(self, body: Body) -> Body:
        """The loop's body without moved statements; motion ends at the first exit with an output in iteration 1."""
        statements = body.statements
        end = next((at for at, statement in enumerate(statements) if self.hands_out(statement)), len(statements)) + 1
        return replace(body, statements=(*self.body(Body(statements[:end]), first=True).statements, *statements[end:]))

    def hands_out(self, statement: Statement) -> bool:
        if not isinstance(statement, Emit) or 1 not in statement.iterations:
            return False
        series = next(series for emit, series in self.loop.collected if emit is statement)
        return any(value.name in self.mover.outputs for value in series)

    def body(self, body: Body, first: bool) -> Body:
        """A body without moved statements; none moves if the first iteration does not run the body."""
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
        """An operation that reads only the shape of a carry, rewritten to read the shape of its initial value."""
        if not isinstance(statement, Apply) or not statement.op.shape_only:
            return statement
        operands = tuple(
            self.starts.get(o.name, o) if isinstance(o, Value) and i in statement.op.shape_only else o
            for i, o in enumerate(statement.operands)
        )
        return replace(statement, operands=operands)

    def parts(self, statement: Statement, first: bool) -> Statement:
        """A remaining statement, without the moved statements inside it."""
        match statement:
            case When(var=var, iterations=iterations) if var == self.loop.var:
                body = self.body(statement.body, first and 1 in iterations)
                otherwise = self.body(statement.otherwise, first and 1 not in iterations)
                return replace(statement, body=body, otherwise=otherwise)
            case Emit(var=var, iterations=iterations) if var == self.loop.var:
                return replace(statement, body=self.body(statement.body, first and 1 in iterations))
        return statement
