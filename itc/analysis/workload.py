"""Estimates of the bytes and elementary operations of computing a net's values, from types only.

The estimates are for the interpreter, in float32: all values of the program are kept until the end, plus the temporary
arrays of one operation. An elementary operation is a multiply-add or an element read or written; each execution of an
operation adds `RUN`. Both are limited, so that a short spec cannot exhaust the memory or run for days. The environment
variables `ITC_MAX_GIB` and `ITC_MAX_GIGAOPERATIONS` set other limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from itc.analysis.reach import reached
from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.net import Apply, Net, walk
from itc.ir.op import Op
from itc.ir.ops.conv import Conv
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.matmul import Attend
from itc.ir.ops.pool import AdaptivePool, AvgPool, MaxPool, Pool
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.unpool import PoolIndices
from itc.ir.types import SeriesType, TensorType
from itc.source import Span

#: Overhead of one execution in elementary operations: about 20 microseconds of Python.
RUN = 20_000
#: The default limits.
MAX_GIB, MAX_GIGAOPERATIONS = 8, 300

Types = Sequence[TensorType]


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
        temporary = batch * temporary_bytes(run.apply.op, types, results)
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
    """Elementary operations of one execution for one sample."""
    rule = OPERATIONS.get(type(op))
    moved = sum(t.size for i, t in enumerate(types) if i not in op.shape_only) + sum(t.size for t in results)
    return moved + max(op.macs(*types), rule(op, types, results) if rule else 0)


def temporary_bytes(op: Op, types: Types, results: Types) -> int:
    """Bytes of temporary arrays of one execution for one sample."""
    rule = TEMPORARY.get(type(op))
    return 4 * rule(op, types, results) if rule else sum(t.bytes for t in results)


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


# Rules by operation: elements, or elementary operations, of one sample.

Rule = Callable[[Any, Types, Types], int]


def _padded(type: TensorType, margins: Sequence[int]) -> int:
    """Elements of a map with height and width extended by `margins` (both sides together)."""
    return prod(type.shape[:-2]) * prod(n + m for n, m in zip(type.shape[-2:], margins, strict=True))


def _conv_elements(op: Conv, types: Types, results: Types) -> int:
    """The padded operand, and the operand and product of one kernel position."""
    seen = types[0].channels * results[0].size // results[0].channels
    return _padded(types[0], [2 * p for p in op.pad]) + seen + 2 * results[0].size


def _canvas(op: ConvTranspose, _: Types, results: Types) -> int:
    return _padded(results[0], [2 * p for p in op.pad]) + results[0].size


def _windows(op: Pool, types: Types, results: Types) -> int:
    """The padded operand, up to the end of the last window."""
    ends = [(n - 1) * s + k for n, s, k in zip(results[0].shape[-2:], op.stride, op.kernel, strict=True)]
    height, width = (max(e, n + 2 * p) for e, n, p in zip(ends, types[0].shape[-2:], op.pad, strict=True))
    return prod(types[0].shape[:-2]) * height * width + results[0].size


def _window_reads(op: Pool, _: Types, results: Types) -> int:
    return results[0].size * prod(op.kernel)


def _adaptive_reads(op: AdaptivePool, types: Types, results: Types) -> int:
    """Windows overlap by at most one position; each is reduced separately."""
    height = types[0].shape[-2]
    rows = types[0].size // max(height, 1) * (height + op.size[0])
    return rows + 2 * results[0].size + RUN * sum(op.size)


def _shares(op: RoiAlign, types: Types, results: Types) -> int:
    """Weights of each box, part and sample for all rows and columns, and an intermediate product."""
    x, boxes = types
    rows = sum(op.sampling * parts * positions for parts, positions in zip(op.size, x.shape[1:], strict=True))
    return boxes.shape[0] * (8 * rows + x.channels * op.size[0] * x.shape[2]) + results[0].size


def _roi_products(op: RoiAlign, types: Types, results: Types) -> int:
    x = types[0]
    return types[1].shape[0] * op.size[0] * x.size + results[0].size * x.shape[2] + _shares(op, types, results)


def _scores(op: Attend, types: Types, _: Types) -> int:
    return 3 * op.heads * prod(types[0].shape[:-1]) * types[1].shape[-2]


def _candidates(op: Proposals, types: Types, _: Types) -> int:
    """Overlaps of each kept box with all remaining boxes."""
    return 16 * min(types[0].size, op.candidates) * min(op.count, op.candidates, types[0].size) + RUN * min(
        op.count, op.candidates, types[0].size
    )


OPERATIONS: dict[type[Op], Rule] = {
    MaxPool: _window_reads,
    AvgPool: _window_reads,
    PoolIndices: _window_reads,
    AdaptivePool: _adaptive_reads,
    RoiAlign: _roi_products,
    Attend: _scores,
    Proposals: _candidates,
}
TEMPORARY: dict[type[Op], Rule] = {
    Conv: _conv_elements,
    ConvTranspose: _canvas,
    MaxPool: _windows,
    AvgPool: _windows,
    PoolIndices: _windows,
    RoiAlign: _shares,
    Attend: _scores,
}
