"""Leaves out operations that do nothing at any size: 1x1 pools, and resizes to a map's own size."""

from __future__ import annotations

from dataclasses import replace

from itc.ir import Apply, Body, Carry, Emit, Loop, Net, Operand, Statement, Value, When, walk
from itc.ir.ops.pool import AvgPool, MaxPool
from itc.ir.ops.resize import Resize


def without_identities(net: Net) -> Net:
    """`net` without operations whose result is their first operand, whatever size the inputs have.

    A size that is given stays: it is the input's own only at the net's size. So do outputs and halting scores.
    """
    kept = {output.value.name for output in net.outputs}
    kept |= {
        statement.halt.score.name for statement in walk(net.body) if isinstance(statement, Loop) and statement.halt
    }
    return replace(net, body=_Identities(frozenset(kept)).statements(net.body))


def _does_nothing(apply: Apply) -> bool:
    match apply.op:
        case MaxPool(kernel=(1, 1), stride=(1, 1)) | AvgPool(kernel=(1, 1), stride=(1, 1)):
            return True
        case Resize(factor=1):
            return True
        case Resize(factor=0, size=(0, 0)):
            return apply.operands[0] == apply.operands[1]
    return False


class _Identities:
    """Rewrites statements; `values` are the operands in whose place a result stood."""

    def __init__(self, kept: frozenset[str]) -> None:
        self.kept = kept
        self.values: dict[str, Value] = {}

    def statements(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        rewritten = map(self.statement, statements)
        return tuple(statement for statement in rewritten if statement)

    def statement(self, statement: Statement) -> Statement | None:
        match statement:
            case Apply():
                return self.apply(statement)
            case Loop():
                carries = tuple(Carry(carry.inner, self.value(carry.init)) for carry in statement.carries)
                return replace(statement, carries=carries, body=self.body(statement.body))
            case When():
                return replace(statement, body=self.body(statement.body), otherwise=self.body(statement.otherwise))
            case Emit():
                return replace(statement, body=self.body(statement.body))

    def apply(self, apply: Apply) -> Apply | None:
        apply = replace(apply, operands=tuple(map(self.operand, apply.operands)))
        first, *_ = apply.operands
        if isinstance(first, Value) and apply.result.name not in self.kept and _does_nothing(apply):
            self.values[apply.result.name] = first
            return None
        return apply

    def body(self, body: Body) -> Body:
        return Body(self.statements(body.statements), tuple(map(self.value, body.yields)))

    def operand(self, operand: Operand) -> Operand:
        return self.value(operand) if isinstance(operand, Value) else operand

    def value(self, value: Value) -> Value:
        return self.values.get(value.name, value)
