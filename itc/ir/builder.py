"""Builds nets statement by statement: generates value names and infers result types by the rules of the operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from itc.ir.net import Apply, Body, Net, Operand, Output, Param, ParamRef, Statement, Value
from itc.ir.op import Op
from itc.ir.rules import check_arity
from itc.ir.types import TensorType, Type
from itc.source import Span


class Builder:
    """Collects the statements of a net; `body()` opens a nested body and yields its list of statements."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.optional: set[str] = set()
        self.params: dict[str, Param] = {}
        self._names: dict[str, int] = {}
        self._taken: set[str] = set()
        self._stack: list[list[Statement]] = [[]]

    def fresh(self, hint: str = "") -> str:
        """An unused name: a number, or `hint` with a suffix `_2`, `_3`, ... if it is used."""
        count = self._names.get(hint, -1 if not hint else 0) + 1
        self._names[hint] = count
        name = str(count) if not hint else hint if count == 1 else f"{hint}_{count}"
        if name in self._taken:
            return self.fresh(hint)
        self._taken.add(name)
        return name

    def value(self, type: Type, hint: str = "") -> Value:
        return Value(self.fresh(hint), type)

    def input(self, name: str, type: TensorType, optional: bool = False) -> Value:
        value = self.value(type, name)
        self.inputs.append(value)
        self.optional |= {value.name} if optional else set()
        return value

    def param(self, param: Param) -> ParamRef:
        """Declares a parameter; repeated declarations of a key must be equal."""
        known = self.params.setdefault(param.key, param)
        assert known == param, f"{param.key} is declared twice"
        return ParamRef(param.key)

    def add(self, statement: Statement) -> None:
        self._stack[-1].append(statement)

    def apply(self, op: Op, operands: Sequence[Operand], span: Span | None = None, hint: str = "") -> Value:
        """Adds `op` with inferred result types; raises RuleError if the operands break its type rule."""
        check_arity(op, len(operands))
        types = (o.tensor if isinstance(o, Value) else self.params[o.key].type for o in operands)
        (result,) = (self.value(type, hint) for type in op.result_types(*types))
        self.add(Apply(op, tuple(operands), (result,), span))
        return result

    @contextmanager
    def body(self) -> Iterator[list[Statement]]:
        """Directs statements to a new list, until the context ends."""
        statements: list[Statement] = []
        self._stack.append(statements)
        try:
            yield statements
        finally:
            self._stack.pop()

    def net(self, outputs: Sequence[Output], span: Span | None = None) -> Net:
        """The finished net."""
        assert len(self._stack) == 1, "a body is still open"
        statements, optional = tuple(self._stack[0]), frozenset(self.optional)
        params = tuple(self.params.values())
        return Net(self.name, tuple(self.inputs), params, statements, tuple(outputs), span, optional)


def close(statements: list[Statement], yields: Sequence[Value]) -> Body:
    """A body of collected statements with its yields."""
    return Body(tuple(statements), tuple(yields))
