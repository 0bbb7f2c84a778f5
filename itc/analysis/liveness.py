"""Peak bytes of live values, for sequential execution with buffer reuse.

Each result has a buffer distinct from its operands', which is freed after the last read (for carries: in each
iteration). A value defined outside a loop and read inside it is live for the whole loop. A series that is only an
output of the net is handed over at each exit and takes no memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, When
from itc.ir.uses import all_reads, body_reads, results

Sizes = Mapping[str, int]


def peak_bytes(net: Net) -> int:
    """Peak bytes of activations of one image, including inputs, without parameters."""
    read = all_reads(net.body, data=True)
    last = {output.value.name for output in net.outputs if output.at is None}
    alive = {value.name: value.type.bytes for value in net.inputs}
    return _peak(net.body, alive, last, read)


def _peak(statements: tuple[Statement, ...], alive: dict[str, int], last: set[str], used: set[str]) -> int:
    """Peak over the statements, with `alive` live before them; `last` are read after them, `used` anywhere."""
    ends = _last_reads(statements) | dict.fromkeys(last, len(statements))
    read_last_by: dict[int, list[str]] = {}
    for name in {*alive, *used}:
        read_last_by.setdefault(ends.get(name, 0), []).append(name)
    size = peak = sum(alive.values())
    for at, statement in enumerate(statements):
        free = {name for name in _taken_over(statement) if name in alive and ends.get(name, at) <= at}
        peak = max(peak, _inside(statement, size, sum(alive[name] for name in free)))
        defined = {v.name: v.type.bytes for v in results(statement) if v.name in used or v.name in last}
        alive |= defined
        size += sum(defined.values())
        peak = max(peak, size)
        size -= sum(alive.pop(name, 0) for name in read_last_by.get(at, ()))
    return peak


def _last_reads(statements: tuple[Statement, ...]) -> dict[str, int]:
    """The position of the last reader of each name."""
    return {name: at for at, statement in enumerate(statements) for name in all_reads((statement,), data=True)}


def _taken_over(statement: Statement) -> set[str]:
    """Initial values of carries not read in the body: the carries reuse their buffers."""
    if not isinstance(statement, Loop):
        return set()
    return {carry.init.name for carry in statement.carries} - body_reads(statement.body, data=True)


def _inside(statement: Statement, around: int, free: int) -> int:
    """Peak within a structured statement; `around` bytes are live at its start, of which `free` are freed then."""
    match statement:
        case Loop():
            carries = {carry.inner.name: carry.inner.type.bytes for carry in statement.carries}
            return around - free + _body_peak(statement.body, carries)
        case When(body=body, otherwise=otherwise):
            return around + max(_body_peak(branch, {}) for branch in (body, otherwise))
        case Emit(body=body):
            return around + _body_peak(body, {}, keep=False)
        case Apply():
            return 0


def _body_peak(body: Body, alive: dict[str, int], keep: bool = True) -> int:
    """Peak of a body, without values live around it; its yields are live until its end if `keep`."""
    last = {value.name for value in body.yields} if keep else set()
    return _peak(body.statements, alive, last, body_reads(body, data=True))
