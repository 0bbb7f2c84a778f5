"""Estimates of the bytes and elementary operations of computing a net's values, from types only.

The estimates are for the interpreter, in float32: all values of the program are kept until the end, plus the temporary
arrays of one operation. An elementary operation is a multiply-add or an element read or written; each execution of an
operation adds `RUN`. Both are limited, so that a short spec cannot exhaust the memory or run for days. The environment
variables `ITC_MAX_GIB` and `ITC_MAX_GIGAOPERATIONS` set other limits.
"""

from __future__ import annotations

import os

from itc.analysis.reach import reached
from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.net import Apply, Net, walk
from itc.ir.op import RUN, Op, Types
from itc.ir.types import SeriesType, TensorType
from itc.records import dataclass
from itc.source import Span

#: The bounds without an environment variable.
MAX_GIB, MAX_GIGAOPERATIONS = 8, 300


@dataclass(frozen=True, slots=True)
class Workload:
    """Peak bytes and elementary operations, each with the operation that contributes most."""

    bytes: int
    operations: int
    largest: Apply | None = None
    longest: Apply | None = None


def workload(net: Net, batch: int = 1) -> Workload:
    """The estimate for inputs of `batch` samples, in time of the size of the program."""
    kept = sum(value.type.bytes for value in net.inputs) * batch + sum(param.bytes for param in net.params)
    kept += batch * sum(result.type.bytes for each in walk(net.body) for result in getattr(each, "results", ()))
    bytes, largest = 0, None
    operations, longest, most = 0, None, 0
    for run in reached(net.body):
        types, results = net.operand_types(run.apply), _tensors(run.apply)
        temporary = batch * run.apply.op.temporary_bytes(types, results)
        if temporary + batch * sum(t.bytes for t in results) > bytes:
            bytes, largest = temporary + batch * sum(t.bytes for t in results), run.apply
        taken = run.times * (RUN + batch * operation_count(run.apply.op, types, results))
        operations += taken
        if taken > most:
            most, longest = taken, run.apply
    return Workload(kept + bytes, operations, largest, longest)


def check_workload(found: Workload, what: str, span: Span | None = None) -> None:
    """Raises CompileError if a workload exceeds the limit of bytes (E0665) or operations (E0666)."""
    gib, giga = _limit("ITC_MAX_GIB", MAX_GIB), _limit("ITC_MAX_GIGAOPERATIONS", MAX_GIGAOPERATIONS)
    faults = []
    if found.bytes > gib * 2**30:
        message = f"{what} would take about {found.bytes / 2**30:,.1f} GiB of memory, the limit is {gib:,g} GiB"
        faults.append(_fault("E0665", message, found.largest, span, f"set `ITC_MAX_GIB={_above(found.bytes / 2**30)}`"))
    if found.operations > giga * 1e9:
        taken = f"{found.operations / 1e9:,.0f} G elementary operations"
        message = f"{what} would take about {taken}, the limit is {giga:,g} G"
        help = f"set `ITC_MAX_GIGAOPERATIONS={_above(found.operations / 1e9)}`"
        faults.append(_fault("E0666", message, found.longest, span, help))
    if faults:
        raise CompileError(faults)


def check_weights(net: Net) -> None:
    """Raises CompileError (E0665) if initial weights take too many bytes, with the largest one in float64."""
    largest = max((param.size for param in net.params), default=0)
    total = sum(param.bytes for param in net.params) + 12 * largest
    check_workload(Workload(total, 0), f"the weights of {net.name}", net.span)


def operation_count(op: Op, types: Types, results: Types) -> int:
    """Elementary operations of one run for one sample."""
    moved = sum(t.size for i, t in enumerate(types) if i not in op.shape_only) + sum(t.size for t in results)
    return moved + max(op.macs(*types), op.operations(types, results))


def _limit(name: str, default: float) -> float:
    try:
        return float(os.environ.get(name, default))
    except ValueError:
        return default


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
