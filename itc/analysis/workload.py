"""Estimates of the bytes and elementary operations of computing a net's values, from types only.

The bytes are those of the interpreter in float32, which drops a value behind its last use: inputs and parameters, the
values alive at an operation, its results and temporary arrays, and the process itself. An elementary operation is an
element read or written, or so many multiply-adds as a processor does in the same time; each execution of an operation
adds `RUN`. Both are limited, so that a short spec cannot exhaust the memory or run for days. The environment variables
`ITC_MAX_GIB` and `ITC_MAX_GIGAOPERATIONS` set other limits.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import field
from math import ceil

from itc.analysis.reach import reached
from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.net import Apply, Body, Emit, Loop, Net, Statement, Value, When, children
from itc.ir.op import RUN, Op, Types
from itc.ir.types import SeriesType, TensorType
from itc.ir.uses import LastUses, last_uses, results
from itc.records import dataclass
from itc.source import Span

#: The bounds without an environment variable.
MAX_GIB, MAX_GIGAOPERATIONS = 1, 60
#: Multiply-adds that take as long as one element of an array that is read or written.
MACS = 16
#: Bytes of Python with NumPy and itc, and of the libraries that backends have loaded, by name.
PROCESS = 96 * 2**20
LIBRARIES: dict[str, int] = {}
#: Arrays as large as the carries that halting keeps: those before, frozen ones, weighted sums and their terms.
HALTING = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """Peak bytes and elementary operations, each with the operation that contributes most."""

    bytes: int
    operations: int
    largest: Apply | None = None
    longest: Apply | None = None


def workload(net: Net, batch: int = 1) -> Workload:
    """The estimate for inputs of `batch` samples, in time of the size of the program."""
    operations, longest, most = 0, None, 0
    for run in reached(net.body):
        types, made = net.operand_types(run.apply), _tensors(run.apply)
        taken = run.times * (RUN + batch * operation_count(run.apply.op, types, made))
        operations += taken
        if taken > most:
            most, longest = taken, run.apply
    memory = _Memory(net, last_uses(net))
    memory.statements(net.body)
    bytes = sum(param.bytes for param in net.params) + batch * memory.peak
    return Workload(bytes, operations, memory.widest, longest)


@dataclass
class _Memory:
    """The bytes of one sample that are alive while the interpreter walks a net, and their peak."""

    net: Net
    last_uses: LastUses
    alive: int = 0
    peak: int = 0
    widest: Apply | None = None
    sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.alive = self.peak = sum(value.type.bytes for value in self.net.inputs)

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When() | Emit():
                    self.bodies(statement)
            self.drop(statement)

    def apply(self, apply: Apply) -> None:
        """The peak with the temporary arrays of an operation; its results stay."""
        temporary = apply.op.temporary_bytes(self.net.operand_types(apply), _tensors(apply))
        self.define(apply.results)
        if self.alive + temporary > self.peak:
            self.peak, self.widest = self.alive + temporary, apply

    def loop(self, loop: Loop) -> None:
        """Series grow to their whole size while the carries of one iteration after another replace each other."""
        collected = [value for value in loop.results if isinstance(value.type, SeriesType)]
        state = HALTING * sum(carry.inner.type.bytes for carry in loop.carries) if loop.halt else 0
        self.define(collected)
        self.alive += state
        self.define([carry.inner for carry in loop.carries])
        self.bodies(loop)
        self.alive -= state
        self.define([value for value in loop.results if not isinstance(value.type, SeriesType)])

    def bodies(self, statement: Statement) -> None:
        """The bodies of a statement, one or the other; the results of a branch take the place of what it yields."""
        for body in children(statement):
            self.statements(body.statements)
            self.drop(body)
        if isinstance(statement, When):
            self.define(results(statement))

    def define(self, values: Collection[Value]) -> None:
        self.sizes |= {value.name: value.type.bytes for value in values}
        self.alive += sum(value.type.bytes for value in values)

    def drop(self, ended: Statement | Body) -> None:
        self.alive -= sum(self.sizes.pop(name, 0) for name in self.last_uses[id(ended)])


def check_workload(found: Workload, what: str, span: Span | None = None) -> None:
    """Raises CompileError if a workload exceeds the limit of bytes (E0665) or operations (E0666)."""
    gib, giga = _limit("ITC_MAX_GIB", MAX_GIB), _limit("ITC_MAX_GIGAOPERATIONS", MAX_GIGAOPERATIONS)
    taken, faults = (found.bytes + process_bytes()) / 2**30, []
    if taken > gib:
        message = f"{what} would take about {_rounded_up(taken)} GiB of memory, the limit is {gib:,g} GiB"
        faults.append(_fault("E0665", message, found.largest, span, f"set `ITC_MAX_GIB={_above(taken)}`"))
    if found.operations > giga * 1e9:
        operations = f"{found.operations / 1e9:,.0f} G elementary operations"
        message = f"{what} would take about {operations}, the limit is {giga:,g} G"
        help = f"set `ITC_MAX_GIGAOPERATIONS={_above(found.operations / 1e9)}`"
        faults.append(_fault("E0666", message, found.longest, span, help))
    if faults:
        raise CompileError(faults)


def process_bytes() -> int:
    """Bytes of the process beside the values."""
    return PROCESS + sum(LIBRARIES.values())


def check_weights(net: Net) -> None:
    """Raises CompileError (E0665) if initial weights take too many bytes."""
    total = sum(param.bytes for param in net.params)
    check_workload(Workload(total, 0), f"the weights of {net.name}", net.span)


def operation_count(op: Op, types: Types, results: Types) -> int:
    """Elementary operations of one run for one sample."""
    moved = sum(t.size for i, t in enumerate(types) if i not in op.shape_only) + sum(t.size for t in results)
    return moved + max(op.macs(*types) // MACS, op.operations(types, results))


def _limit(name: str, default: float) -> float:
    try:
        return float(os.environ.get(name, default))
    except ValueError:
        return default


def _rounded_up(gib: float) -> str:
    """Above the limit, also when it is printed."""
    return f"{ceil(gib * 100) / 100:,.2f}" if gib < 10 else f"{gib:,.1f}"


def _above(number: float) -> int:
    """A round number above an estimate."""
    return int(number * 1.1) + 1


def _fault(code: str, message: str, apply: Apply | None, span: Span | None, help: str) -> Diagnostic:
    at = apply.span if apply and apply.span else span
    note = "the largest part is here" if apply and apply.span else "here"
    return Diagnostic(
        code, message, Label(at, note) if at else None, help=f"reduce the network or its inputs, or {help}"
    )


def _tensors(apply: Apply) -> list[TensorType]:
    return [value.type for value in apply.results if not isinstance(value.type, SeriesType)]
