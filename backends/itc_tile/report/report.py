"""Report of a program: memory, cycles of one image and of a stream, and lower bounds; as values and as JSON.

Every field below is a key of the JSON under its own name; keys and meanings are stable. Cycles are the machine's,
bytes are bytes, shares are between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from itc.ir.precision import precision
from itc.ir.types import DTYPE_BYTES
from itc.tables import Table
from itc_tile.cost.bound import Bound, lower_bound
from itc_tile.cost.cycles import mac_cycles
from itc_tile.cost.memory import total
from itc_tile.cost.sharing import SharedBound, shared_bound
from itc_tile.program.footprint import fullest_tile, total_bytes
from itc_tile.program.program import Program, Supersteps
from itc_tile.program.supersteps.addresses import occupied
from itc_tile.report.reasons import (
    LimitReport,
    PathReport,
    StreamShares,
    path_reports,
    period_limit,
    stream_shares,
)
from itc_tile.report.tables import tables
from itc_tile.timing.supersteps import KernelCycles, SuperstepTiming, time_supersteps
from itc_tile.timing.timing import Timing, time_program


@dataclass(frozen=True, slots=True)
class Fullest:
    """The fullest tile: its number, its kernel, and bytes by content."""

    tile: int
    kernel: str
    bytes: int
    contents: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """Tiles and bytes, used and available; buffers of the stream are included in the bytes used."""

    tiles_used: int
    tiles: int
    bytes_used: int
    bytes: int
    tile_bytes: int
    fullest: Fullest


@dataclass(frozen=True, slots=True)
class BreakdownReport:
    """Cycles of one batch under temporal mapping: supersteps do not overlap, so the first four sum to the whole.

    `rearrange_cycles` copy data within tiles. For `idle_cycles` of the compute a tile waits, in the mean over all.
    """

    sync_cycles: int
    exchange_cycles: int
    rearrange_cycles: int
    compute_cycles: int
    idle_cycles: float


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One kernel.

    `split` is the parts of its result (channels, rows, columns), `tiles` the number of each of its `copies`, the
    replicas. An execution has the transfer latency `exchange_cycles`, and its fullest tile computes for
    `compute_cycles`. All replicas together execute `runs` times for one image. In a stream its tiles compute for the
    share `busy` of the time, and reach the share `utilisation` of their peak of multiply-accumulates. Under temporal
    mapping an execution is of a whole batch, and `breakdown` has the cycles of all executions.
    """

    label: str
    operations: tuple[str, ...]
    tiles: int
    copies: int
    split: tuple[int, int, int]
    exchange_cycles: int
    compute_cycles: int
    runs: int
    macs: int
    busy: float
    utilisation: float
    fullest_bytes: int
    breakdown: BreakdownReport | None = None


@dataclass(frozen=True, slots=True)
class OutputReport:
    """Latency of an output of one image alone in the machine; `bound_cycles` is the bound of the longest path to it.

    `path` are the kernels of its critical path.
    """

    label: str
    cycles: int
    seconds: float
    bound_cycles: int
    ratio: float
    path: PathReport | None = None


@dataclass(frozen=True, slots=True)
class LoopReport:
    """A loop in a stream: cycles of an iteration of one image, and how many images are in the loop at once."""

    variable: str
    iterations: int
    iteration_cycles: int
    images_at_once: float


@dataclass(frozen=True, slots=True)
class StreamReport:
    """A stream of images: `period_cycles` between two images, `image_cycles` the makespan of one.

    `limit` is what limits the period, and `shares` where the time of the tiles goes.
    """

    period_cycles: int
    images_per_second: float
    image_cycles: int
    images_at_once: float
    utilisation: float
    bound_cycles: int
    ratio: float
    loops: tuple[LoopReport, ...]
    limit: LimitReport | None = None
    shares: StreamShares | None = None


@dataclass(frozen=True, slots=True)
class BoundReport:
    """Lower bounds of the period on this machine, in cycles; see `itc_tile.cost.bound`.

    `tiles_cycles` is that of kernels with tiles of their own, see `itc_tile.cost.sharing`; 0 where they have none.
    """

    compute_cycles: int
    work_cycles: int
    memory_cycles: int
    exchange_cycles: int
    tiles_cycles: int = 0


@dataclass(frozen=True, slots=True)
class HostReport:
    """Bytes between host and machine: parameters once, inputs and outputs for each image. No cycles count for them."""

    parameter_bytes: int
    input_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """A program on its machine, for `batch` images at once; `breakdown` has the cycles of a batch if it has one."""

    network: str
    machine: str
    mapping: str
    precision: str
    clock_hz: int
    macs: int
    fit: Fit
    outputs: tuple[OutputReport, ...]
    stream: StreamReport
    bound: BoundReport
    host: HostReport
    kernels: tuple[KernelReport, ...]
    batch: int = 1
    breakdown: BreakdownReport | None = None

    def json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; the keys are stable."""
        found: dict[str, Any] = _plain(asdict(self))
        return found

    def tables(self) -> tuple[Table, ...]:
        """The tables that `itc run` prints."""
        return tables(self)


def _plain(value: Any) -> Any:
    """Lists for tuples, at any depth."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def report(program: Program, timing: Timing | None = None) -> Report:
    """The report of a program; `timing` are its times, if they are known already."""
    if program.supersteps:
        return _batch_report(program, time_supersteps(program))
    timing = timing or time_program(program)
    bound = lower_bound(program.graph, program.machine)
    shared = shared_bound(program.graph, program.machine)
    return Report(
        network=program.net.name,
        machine=program.machine.name,
        mapping=program.mapping,
        precision=precision(program.net),
        clock_hz=program.machine.clock,
        macs=_macs(program),
        fit=_fit(timing),
        outputs=_outputs(timing, shared),
        stream=_stream(timing, bound, max(bound.stream, shared.period)),
        bound=BoundReport(bound.compute, bound.work, bound.memory, bound.exchange, shared.period),
        host=_host(program),
        kernels=tuple(_kernel(timing, label) for label in program.nodes),
    )


def _macs(program: Program) -> int:
    return sum(node.executions * node.kernel.macs() for node in program.nodes.values())


def _fit(timing: Timing) -> Fit:
    program = timing.program
    fullest = fullest_tile(program, timing.memory)
    return Fit(
        tiles_used=sum(placement.tiles.size for placement in program.placements.values()),
        tiles=program.machine.tiles,
        bytes_used=total_bytes(program, timing.memory),
        bytes=program.machine.memory,
        tile_bytes=program.machine.tile.memory,
        fullest=Fullest(fullest.tile, fullest.kernel, fullest.bytes, dict(fullest.contents)),
    )


def _kernel(timing: Timing, label: str) -> KernelReport:
    program = timing.program
    node, placement = program.nodes[label], program.placements[label]
    split = placement.split
    share = node.executions / (placement.replicas * timing.period)
    return KernelReport(
        label=label,
        operations=tuple(apply.op.name for apply in node.kernel.body),
        tiles=placement.shards,
        copies=placement.replicas,
        split=(split.channels, split.rows, split.columns),
        exchange_cycles=timing.transfer_latencies.get(label, 0),
        compute_cycles=timing.compute[label],
        runs=node.executions,
        macs=node.kernel.macs(),
        busy=timing.compute[label] * share,
        utilisation=mac_cycles(node.kernel, program.machine) * share / placement.shards,
        fullest_bytes=int(total(timing.memory[label]).max()),
    )


def _outputs(timing: Timing, bound: SharedBound) -> tuple[OutputReport, ...]:
    seconds, paths = timing.program.machine.seconds, path_reports(timing)
    return tuple(
        OutputReport(
            label, cycles, seconds(cycles), bound.outputs[label], cycles / max(1, bound.outputs[label]), paths[label]
        )
        for label, cycles in timing.outputs.items()
    )


def _stream(timing: Timing, bound: Bound, least: int) -> StreamReport:
    frames = timing.schedule.layout.frames
    machine = timing.program.machine
    loops = tuple(
        LoopReport(var, frame.count, frame.step, frame.count * frame.step / frames[frame.around].initiation_interval)
        for var, frame in frames.items()
        if var
    )
    return StreamReport(
        period_cycles=timing.period,
        images_per_second=machine.clock / timing.period,
        image_cycles=frames[""].makespan,
        images_at_once=frames[""].makespan / timing.period,
        utilisation=bound.compute / timing.period,
        bound_cycles=least,
        ratio=timing.period / max(1, least),
        loops=loops,
        limit=period_limit(timing),
        shares=stream_shares(timing),
    )


def _host(program: Program) -> HostReport:
    inputs = sum(value.tensor.bytes for value in program.net.inputs)
    outputs = sum(output.value.type.bytes for output in program.net.outputs)
    parameters = sum(param.size * DTYPE_BYTES[param.type.dtype] for param in program.net.params)
    return HostReport(parameters, inputs, outputs)


def _batch_report(program: Program, timing: SuperstepTiming) -> Report:
    """The report of a bulk-synchronous program. A stream is one batch after the other."""
    assert program.supersteps is not None
    batch = program.supersteps.batch
    bound = lower_bound(program.graph, program.machine, batch, shared=True)
    return Report(
        network=program.net.name,
        machine=program.machine.name,
        mapping=program.mapping,
        precision=precision(program.net),
        clock_hz=program.machine.clock,
        macs=_macs(program),
        fit=_batch_fit(timing),
        outputs=_batch_outputs(timing, bound),
        stream=_batch_stream(timing, bound, program.supersteps),
        bound=BoundReport(bound.compute, bound.work, bound.memory, bound.exchange),
        host=_host(program),
        kernels=tuple(_batch_kernel(timing, label) for label in program.nodes),
        batch=batch,
        breakdown=_breakdown(timing.breakdown),
    )


def _breakdown(cycles: KernelCycles) -> BreakdownReport:
    return BreakdownReport(cycles.sync, cycles.exchange, cycles.rearrange, cycles.compute, float(cycles.idle))


def _batch_fit(timing: SuperstepTiming) -> Fit:
    program, fullest = timing.program, timing.fullest
    groups = max(placement.replicas for placement in program.placements.values())
    bytes = occupied(program)
    return Fit(
        tiles_used=int((bytes > 0).sum()) * groups,
        tiles=program.machine.tiles,
        bytes_used=int(bytes.sum()) * groups,
        bytes=program.machine.memory,
        tile_bytes=program.machine.tile.memory,
        fullest=Fullest(fullest.tile, fullest.kernel, fullest.bytes, dict(fullest.contents)),
    )


def _batch_outputs(timing: SuperstepTiming, bound: Bound) -> tuple[OutputReport, ...]:
    seconds = timing.program.machine.seconds
    return tuple(
        OutputReport(label, cycles, seconds(cycles), bound.outputs[label], cycles / max(1, bound.outputs[label]))
        for label, cycles in timing.outputs.items()
    )


def _batch_stream(timing: SuperstepTiming, bound: Bound, supersteps: Supersteps) -> StreamReport:
    clock, batch = timing.program.machine.clock, supersteps.batch
    loops = tuple(
        LoopReport(var, timing.program.graph.loops[var].count, cycles // count, float(batch))
        for var, (cycles, count) in timing.loops.items()
    )
    limit = -(-bound.stream // batch)
    return StreamReport(
        period_cycles=timing.period,
        images_per_second=batch * clock / max(1, timing.total),
        image_cycles=timing.total,
        images_at_once=float(batch),
        utilisation=bound.compute / max(1, timing.total),
        bound_cycles=limit,
        ratio=timing.total / max(1, bound.stream),
        loops=loops,
    )


def _batch_kernel(timing: SuperstepTiming, label: str) -> KernelReport:
    program, cycles = timing.program, timing.kernels[label]
    node, placement = program.nodes[label], program.placements[label]
    split, tiles = placement.split, placement.tiles.size
    total = max(1, timing.total)
    moving = cycles.sync + cycles.exchange + cycles.rearrange
    own = [buffer.bytes for buffer in program.buffers if buffer.kernel == label]
    assert program.supersteps is not None
    runs = node.executions * program.supersteps.batch
    return KernelReport(
        label=label,
        operations=tuple(apply.op.name for apply in node.kernel.body),
        tiles=tiles,
        copies=1,
        split=(split.channels, split.rows, split.columns),
        exchange_cycles=moving // max(1, node.executions),
        compute_cycles=timing.compute[label],
        runs=node.executions,
        macs=node.kernel.macs(),
        busy=cycles.compute / total,
        utilisation=mac_cycles(node.kernel, program.machine) * runs / (total * tiles),
        fullest_bytes=int(np.sum(own, axis=0).max()),
        breakdown=_breakdown(cycles),
    )
