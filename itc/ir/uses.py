"""Definitions and uses of values by statements, for all analyses, passes and backends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, children, walk


def results(statement: Statement) -> tuple[Value, ...]:
    """Values that a statement defines for the following statements."""
    return () if isinstance(statement, Emit) else statement.results


def inner_values(statement: Statement) -> tuple[Value, ...]:
    """Values that a loop defines in its body only: elements of series, and carries."""
    if not isinstance(statement, Loop):
        return ()
    return (*(each.inner for each in statement.each), *(carry.inner for carry in statement.carries))


def data_operands(apply: Apply) -> tuple[Value, ...]:
    """Value operands whose elements are read, without those whose shape alone is read."""
    skipped = apply.op.shape_only
    return tuple(o for i, o in enumerate(apply.operands) if isinstance(o, Value) and i not in skipped)


def reads(statement: Statement, data: bool = False) -> Iterator[Value]:
    """Values read by a statement itself, including the yields of its bodies, but not by statements in its bodies.

    With `data`, without operands whose shape alone is read.
    """
    match statement:
        case Apply():
            yield from data_operands(statement) if data else statement.values
        case Loop():
            yield from (carry.init for carry in statement.carries)
            yield from (each.series for each in statement.each)
            if statement.halt:
                yield statement.halt.score
    for body in children(statement):
        yield from body.yields


def all_reads(statements: Iterable[Statement], data: bool = False) -> set[str]:
    """Names of the values read by statements at any depth; see `reads`."""
    return {value.name for statement in walk(tuple(statements)) for value in reads(statement, data)}


def body_reads(body: Body, data: bool = False) -> set[str]:
    """Names of the values read or yielded by a body at any depth."""
    return all_reads(body.statements, data) | {value.name for value in body.yields}


def definitions(statements: Iterable[Statement]) -> set[str]:
    """Names of the values defined by statements at any depth."""
    return {v.name for s in walk(tuple(statements)) for v in (*inner_values(s), *results(s))}


def free(statement: Statement) -> set[str]:
    """Names of the free values of a statement: read at any depth, and not defined in it."""
    return all_reads((statement,)) - definitions((statement,))


#: Names by the identity of a statement or body: a net that is alive keeps both.
LastUses = Mapping[int, tuple[str, ...]]


def last_uses(net: Net) -> LastUses:
    """The values that nothing reads behind a statement, at whose end they can be freed, for all statements and bodies.

    A value belongs to the body that defines it and is freed there: behind the last statement that reads it at any
    depth, behind its definition if none does, or at the end of the body if the body yields it or halts by it. Outputs
    of the net are never freed.
    """
    ends: dict[int, tuple[str, ...]] = {}
    _scope(net.body, [value.name for value in net.inputs], {output.value.name for output in net.outputs}, ends)
    return ends


def _scope(
    statements: tuple[Statement, ...], owned: list[str], kept: set[str], ends: dict[int, tuple[str, ...]]
) -> None:
    """Adds the last uses of the values of one body, which owns `owned` and what its statements define."""
    last = dict.fromkeys(owned, 0)
    for at, statement in enumerate(statements):
        last |= dict.fromkeys((value.name for value in results(statement)), at)
        last |= dict.fromkeys(all_reads((statement,)) & last.keys(), at)
        for body in children(statement):
            inner = [value.name for value in inner_values(statement)]
            yielded = {value.name for value in body.yields} | _halting_score(statement)
            _scope(body.statements, inner, yielded, ends)
            defined = {*inner, *(value.name for each in body.statements for value in results(each))}
            ends[id(body)] = tuple(sorted(yielded & defined if body.statements else defined))
    freed: dict[int, list[str]] = {}
    for name, at in last.items():
        if name not in kept:
            freed.setdefault(at, []).append(name)
    ends.update((id(statement), tuple(freed.get(at, ()))) for at, statement in enumerate(statements))


def _halting_score(statement: Statement) -> set[str]:
    return {statement.halt.score.name} if isinstance(statement, Loop) and statement.halt else set()
