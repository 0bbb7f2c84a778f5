"""Rewriting functions shared by passes: renaming of uses, replacement of bodies and carries, fresh names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from itc.ir.net import (
    Apply,
    Body,
    Carry,
    Each,
    Emit,
    Halt,
    Index,
    Loop,
    Net,
    Operand,
    Statement,
    Value,
    When,
    walk,
)
from itc.ir.uses import definitions

Env = Mapping[str, Value]
T = TypeVar("T")


def variables(statement: Statement) -> set[str]:
    """Variables of the loops whose iteration a statement, at any depth, depends on by an index or a condition."""
    names: set[str] = set()
    for inner in walk((statement,)):
        if isinstance(inner, When):
            names.add(inner.var)
        if isinstance(inner, Apply):
            names |= {index.var for ref in inner.refs for index in ref.index if isinstance(index, Index)}
    return names


def scores(net: Net) -> frozenset[str]:
    """Names of the halting scores, which must be defined in the body of their loop."""
    return frozenset(s.halt.score.name for s in walk(net.body) if isinstance(s, Loop) and s.halt)


def renamed(operands: Iterable[Operand], env: Env) -> tuple[Operand, ...]:
    """Operands with values replaced as in `env`."""
    return tuple(env.get(o.name, o) if isinstance(o, Value) else o for o in operands)


def values(given: Iterable[Value], env: Env) -> tuple[Value, ...]:
    return tuple(env.get(value.name, value) for value in given)


def with_bodies(statement: Statement, env: Env, body: Callable[[Body], Body]) -> Statement:
    """A structured statement with its bodies rewritten and its own operands replaced as in `env`."""
    match statement:
        case Loop():
            carries = tuple(Carry(c.inner, env.get(c.init.name, c.init)) for c in statement.carries)
            each = tuple(Each(e.inner, env.get(e.series.name, e.series)) for e in statement.each)
            inner = body(statement.body)
            return replace(statement, carries=carries, each=each, body=inner, halt=renamed_halt(statement.halt, env))
        case When():
            return replace(statement, body=body(statement.body), otherwise=body(statement.otherwise))
        case Emit():
            return replace(statement, body=body(statement.body))
        case Apply():
            return replace(statement, operands=renamed(statement.operands, env))


def renamed_halt(halt: Halt | None, env: Env) -> Halt | None:
    return replace(halt, score=env.get(halt.score.name, halt.score)) if halt else None


def with_outputs(net: Net, body: tuple[Statement, ...], env: Env) -> Net:
    """`net` with another body, and outputs replaced as in `env`."""
    outputs = tuple(replace(output, value=env.get(output.value.name, output.value)) for output in net.outputs)
    return replace(net, body=body, outputs=outputs)


def stable(rewrite: Callable[[Net], Net], net: Net) -> Net:
    """The fixed point of `rewrite`."""
    while (after := rewrite(net)) != net:
        net = after
    return net


def where(kept: Sequence[bool], values: tuple[T, ...]) -> tuple[T, ...]:
    """The elements of `values` selected by `kept`."""
    return tuple(value for value, keep in zip(values, kept, strict=True) if keep)


def with_carries(loop: Loop, kept: Sequence[bool]) -> Loop:
    """A loop with the selected carries only, and the corresponding yields and results."""
    body = replace(loop.body, yields=where(kept, loop.body.yields))
    others = loop.results[len(loop.carries) :]
    results = (*where(kept, loop.carry_results), *others)
    return replace(loop, carries=where(kept, loop.carries), body=body, results=results)


class Names:
    """Unique names for clones: the original name with a suffix, numbered if it is used."""

    def __init__(self, net: Net) -> None:
        self.taken = {value.name for value in net.inputs} | definitions(net.body)
        self.taken |= {statement.var for statement in walk(net.body) if isinstance(statement, Loop)}

    def fresh(self, name: str, suffix: str) -> str:
        """An unused name; without a suffix the original name, which only one clone may have."""
        if not suffix:
            return name
        wanted, number = f"{name}{suffix}", 2
        while wanted in self.taken:
            wanted, number = f"{name}{suffix}_{number}", number + 1
        self.taken.add(wanted)
        return wanted
