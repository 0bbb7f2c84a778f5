"""Definitions and uses of values by statements; every analysis, pass and backend asks here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from itc.ir.net import Apply, Body, Emit, Loop, Statement, Value, children, walk


def results(statement: Statement) -> tuple[Value, ...]:
    """Values that a statement defines for the statements behind it."""
    return () if isinstance(statement, Emit) else statement.results


def inner_values(statement: Statement) -> tuple[Value, ...]:
    """Values that a loop defines for its body alone: elements of series, and carries."""
    if not isinstance(statement, Loop):
        return ()
    return (*(each.inner for each in statement.each), *(carry.inner for carry in statement.carries))


def data_operands(apply: Apply) -> tuple[Value, ...]:
    """Value operands whose elements are read; the shape alone of the others is."""
    skipped = apply.op.shape_only
    return tuple(o for i, o in enumerate(apply.operands) if isinstance(o, Value) and i not in skipped)


def reads(statement: Statement, data: bool = False) -> Iterator[Value]:
    """Values that a statement itself reads, the yields of its bodies among them; not the reads inside its bodies.

    With `data`, operands whose shape alone is read are left out.
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
    """Names of the values that statements read, at any depth; see `reads`."""
    return {value.name for statement in walk(tuple(statements)) for value in reads(statement, data)}


def body_reads(body: Body, data: bool = False) -> set[str]:
    """Names of the values that a body reads or yields, at any depth."""
    return all_reads(body.statements, data) | {value.name for value in body.yields}


def definitions(statements: Iterable[Statement]) -> set[str]:
    """Names of the values that statements define, at any depth."""
    return {v.name for s in walk(tuple(statements)) for v in (*inner_values(s), *results(s))}


def free(statement: Statement) -> set[str]:
    """Names of the values that a statement reads, at any depth, and does not define."""
    return all_reads((statement,)) - definitions((statement,))
