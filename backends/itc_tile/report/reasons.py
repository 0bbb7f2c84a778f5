"""Reasons for the cycles of a program: critical paths, the limit of the period, and where the tiles' time goes."""

from __future__ import annotations

from dataclasses import dataclass

from itc_tile.kernels.critical import CriticalPath, CriticalPaths
from itc_tile.timing.schedule import Lifetimes
from itc_tile.timing.spacing import Occupation
from itc_tile.timing.timing import Timing

STEP = 1.05  # periods are tried in steps of 3 %, and loops divide them into whole cycles


@dataclass(frozen=True, slots=True)
class PathKernel:
    """A kernel on a critical path: its `runs` there, and the cycles of all of these."""

    label: str
    runs: int
    compute_cycles: int
    exchange_cycles: int

    @property
    def cycles(self) -> int:
        return self.compute_cycles + self.exchange_cycles


@dataclass(frozen=True, slots=True)
class PathReport:
    """The critical path of an output of one image alone, and where its cycles go, which add up to the latency.

    `sync_cycles` precede each transfer. For `idle_cycles` no kernel of the path has work: loops begin with all of their
    operands, and replicas wait for their tiles and ports. `kernels` are ordered by their cycles, longest first.
    """

    compute_cycles: int
    exchange_cycles: int
    sync_cycles: int
    idle_cycles: int
    kernels: tuple[PathKernel, ...]


@dataclass(frozen=True, slots=True)
class LimitReport:
    """What limits the period: `compute` or `exchange` of a kernel, `memory` of its tiles, or the `order` of iterations.

    No period is shorter than `cycles` with these tiles.
    """

    resource: str
    kernel: str
    cycles: int


@dataclass(frozen=True, slots=True)
class StreamShares:
    """Shares of the time of all tiles in a stream, which add up to 1.

    Transfers beside computing count as `compute`; `exchange` and `sync` are the rest. `unused` tiles have no kernel.
    """

    compute: float
    exchange: float
    sync: float
    idle: float
    unused: float


def path_reports(timing: Timing) -> dict[str, PathReport]:
    """The critical path to each output, by label."""
    program = timing.program
    transfers = {label: _shortest_transfer(timing, label) for label in program.nodes}
    cycles = {label: timing.compute[label] + transfers[label] for label in program.nodes}
    laid_out = CriticalPaths(program.net, program.nodes, barriers=True).paths(cycles)
    flowing = CriticalPaths(program.net, program.nodes).paths(cycles)
    return {
        label: _path(
            timing, laid_out[label] if laid_out[label].cycles <= latency else flowing[label], transfers, latency
        )
        for label, latency in timing.outputs.items()
    }


def _shortest_transfer(timing: Timing, label: str) -> int:
    """The transfer latency from the producer of an operand that is the fastest."""
    producers = {edge.producer for edges in timing.exchange.operands.get(label, ()) for edge in edges}
    return min((timing.exchange.transfer_latency(label, [producer]) for producer in producers), default=0)


def _path(timing: Timing, path: CriticalPath, transfers: dict[str, int], latency: int) -> PathReport:
    kernels = [
        PathKernel(label, runs, runs * timing.compute[label], runs * transfers[label])
        for label, runs in path.executions.items()
    ]
    kernels.sort(key=lambda kernel: -kernel.cycles)
    sync = timing.program.machine.exchange.sync * sum(kernel.runs for kernel in kernels if kernel.exchange_cycles)
    compute, exchange = (sum(getattr(k, name) for k in kernels) for name in ("compute_cycles", "exchange_cycles"))
    return PathReport(compute, exchange - sync, sync, latency - path.cycles, tuple(kernels))


def period_limit(timing: Timing) -> LimitReport:
    """What keeps the period from being shorter."""
    layout = timing.layout()
    busiest = max(layout.occupations, key=layout.least_period)
    bound = layout.resource_bound()
    if timing.period <= max(layout.divisible(bound), bound * STEP):
        return _occupied(busiest, bound)
    shortfall = Lifetimes(layout).memory_shortfall(bound, timing.free_memory)
    if shortfall:
        return LimitReport("memory", max(shortfall, key=lambda label: shortfall[label]), bound)
    return LimitReport("order", busiest.kernel, bound)


def _occupied(busiest: Occupation, cycles: int) -> LimitReport:
    return LimitReport("exchange" if busiest.transfer else "compute", busiest.kernel, cycles)


def stream_shares(timing: Timing) -> StreamShares:
    """Where the time of all tiles goes while a stream passes."""
    program, period = timing.program, timing.period
    sync = program.machine.exchange.sync
    shares = {"compute": 0.0, "exchange": 0.0, "sync": 0.0}
    used = 0
    for label, placement in program.placements.items():
        runs = program.nodes[label].executions / placement.replicas
        transfer, compute = timing.transfer_latencies.get(label, 0), runs * timing.compute[label] / period
        visible = min(runs * transfer / period, 1 - compute)
        shares["compute"] += placement.tiles.size * compute
        shares["sync"] += placement.tiles.size * visible * (min(sync / transfer, 1) if transfer else 0)
        shares["exchange"] += placement.tiles.size * visible * (max(1 - sync / transfer, 0) if transfer else 0)
        used += placement.tiles.size
    tiles = program.machine.tiles
    found = {name: share / tiles for name, share in shares.items()}
    unused = 1 - used / tiles
    return StreamShares(**found, idle=max(0.0, 1 - unused - sum(found.values())), unused=unused)
