"""How many bytes of values are alive at once, at most, when operations run one after the other and buffers are reused.

Every result is its own buffer beside its operands; a buffer is free after its last reader: a carry after that of each
iteration. What a loop reads from outside stays for the whole loop. A series that only leaves the net is handed over at
each exit and takes no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When

Sizes = Mapping[str, int]


def peak_bytes(net: Net) -> int:
    """Peak bytes of activations of one image, the inputs among them; parameters are not."""
    read = _read_by(net.body)
    last = {output.value.name for output in net.outputs if output.at is None}
    alive = {value.name: value.type.bytes for value in net.inputs}
    return _peak(net.body, alive, last, read)


def _read_by(statements: Iterable[Statement]) -> set[str]:
    """Names of all values whose elements the statements read, at any depth."""
    return {value.name for statement in statements for value in reads(statement)}


def reads(statement: Statement) -> tuple[Value, ...]:
    """Values whose elements a statement reads, those inside what it holds among them."""
    match statement:
        case Apply():
            operands = enumerate(statement.operands)
            return tuple(o for i, o in operands if isinstance(o, Value) and i not in statement.op.shape_only)
        case Loop():
            outside = [c.init for c in statement.carries] + [e.series for e in statement.each]
            score = [statement.halt.score] if statement.halt else []
            return (*outside, *_body_reads(statement.body), *score)
        case When():
            return (*_body_reads(statement.body), *_body_reads(statement.otherwise))
        case Emit():
            return _body_reads(statement.body)


def _body_reads(body: Body) -> tuple[Value, ...]:
    return (*(value for s in body.statements for value in reads(s)), *body.yields)


def _peak(statements: tuple[Statement, ...], alive: dict[str, int], last: set[str], used: set[str]) -> int:
    """Peak over the statements, starting with `alive`; `last` are read behind them, `used` anywhere at all."""
    later = _later_reads(statements, last)
    peak = sum(alive.values())
    for statement, still_read in zip(statements, later, strict=True):
        peak = max(peak, _inside(statement, alive, still_read))
        alive |= {v.name: v.type.bytes for v in _results(statement) if v.name in used or v.name in last}
        peak = max(peak, sum(alive.values()))
        for name in [name for name in alive if name not in still_read]:
            del alive[name]
    return peak


def _later_reads(statements: tuple[Statement, ...], last: set[str]) -> list[set[str]]:
    """For each statement the names that are read behind it."""
    later, out = set(last), []
    for statement in reversed(statements):
        out.append(set(later))
        later |= {value.name for value in reads(statement)}
    return out[::-1]


def _results(statement: Statement) -> tuple[Value, ...]:
    return () if isinstance(statement, Emit) else statement.results


def _inside(statement: Statement, alive: dict[str, int], still_read: set[str]) -> int:
    """Peak within a statement that holds others, what is alive around it included."""
    match statement:
        case Loop():
            return _loop_peak(statement, alive, still_read)
        case When(body=body, otherwise=otherwise):
            return max(_body_peak(branch, dict(alive), set(alive)) for branch in (body, otherwise))
        case Emit(body=body):
            return _body_peak(body, dict(alive), set(alive), keep=False)
        case Apply():
            return 0


def _loop_peak(loop: Loop, alive: dict[str, int], still_read: set[str]) -> int:
    """Within a loop the carries take the place of what they start as, unless that is read elsewhere too."""
    body_reads = {value.name for value in _body_reads(loop.body)}
    replaced = {carry.init.name for carry in loop.carries} - still_read - body_reads
    around = {name: size for name, size in alive.items() if name not in replaced}
    inside = around | {carry.inner.name: carry.inner.type.bytes for carry in loop.carries}
    return _body_peak(loop.body, inside, set(around))


def _body_peak(body: Body, alive: dict[str, int], around: set[str], keep: bool = True) -> int:
    """Peak of a body; `around` stays alive throughout, and what it yields until its end if that is kept."""
    last = around | ({value.name for value in body.yields} if keep else set())
    return _peak(body.statements, alive, last, {value.name for value in _body_reads(body)})
