"""Steps of a program: the rolled statements of a fused net with explicit exchanges where values become available."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When, applies
from itc.ir.op import Array, Op
from itc.ir.types import TensorType
from itc.ir.uses import inner_values, results

Target = tuple[str, int]


@dataclass(frozen=True)
class ExchangeStep(Op):
    """Sends a value from the tiles that hold it to operands of kernels and, as outputs, to the host.

    `to` has the label of a kernel and the position of its operand for each of them. The producer, and so the transfer
    that runs, is the definition that reaches the step in the current iteration.
    """

    name: ClassVar[str] = "exchange"
    to: tuple[Target, ...] = ()
    outputs: tuple[str, ...] = ()

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:  # noqa: ARG002  it defines nothing
        return ()

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:  # noqa: ARG002  it changes nothing
        return ()


Exchanges = Mapping[str, ExchangeStep]


def with_exchanges(net: Net, exchanges: Exchanges) -> tuple[Statement, ...]:
    """The statements of a net, each value's exchange directly behind its definition; inputs come first."""
    return (*_sent(net.inputs, exchanges), *_statements(net.body, exchanges))


def _statements(statements: Iterable[Statement], exchanges: Exchanges) -> Iterator[Statement]:
    for statement in statements:
        yield _with_inner(statement, exchanges)
        yield from _sent((v for v in results(statement) if isinstance(v.type, TensorType)), exchanges)


def _with_inner(statement: Statement, exchanges: Exchanges) -> Statement:
    match statement:
        case Loop():
            return replace(statement, body=_body(statement.body, exchanges, inner_values(statement)))
        case When():
            body, otherwise = (_body(each, exchanges) for each in (statement.body, statement.otherwise))
            return replace(statement, body=body, otherwise=otherwise)
        case Emit():
            return replace(statement, body=_body(statement.body, exchanges))
        case Apply():
            return statement


def _body(body: Body, exchanges: Exchanges, inner: Iterable[Value] = ()) -> Body:
    return Body((*_sent(inner, exchanges), *_statements(body.statements, exchanges)), body.yields)


def _sent(values: Iterable[Value], exchanges: Exchanges) -> Iterator[Apply]:
    return (Apply(exchanges[value.name], (value,), ()) for value in values if value.name in exchanges)


def without_exchanges(steps: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements of the net alone."""
    return tuple(_plain(step) for step in steps if not is_exchange(step))


def is_exchange(statement: Statement) -> bool:
    return isinstance(statement, Apply) and isinstance(statement.op, ExchangeStep)


def _plain(statement: Statement) -> Statement:
    match statement:
        case Loop() | Emit():
            return replace(statement, body=_plain_body(statement.body))
        case When():
            body, otherwise = _plain_body(statement.body), _plain_body(statement.otherwise)
            return replace(statement, body=body, otherwise=otherwise)
        case Apply():
            return statement


def _plain_body(body: Body) -> Body:
    return Body(without_exchanges(body.statements), body.yields)


def exchanges(steps: Iterable[Statement]) -> Iterator[tuple[Value, ExchangeStep]]:
    """Every exchange step with its value, in text order."""
    for apply in applies(tuple(steps)):
        if isinstance(apply.op, ExchangeStep):
            yield apply.values[0], apply.op
