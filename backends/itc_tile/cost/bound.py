"""Lower bounds for any schedule of these kernels on a machine: the period of a stream, and the latency of an image.

For a stream of images, with all work spread evenly over all tiles:

- compute: multiply-accumulates at the machine's peak rate, at most the work below;
- work: all operations, each unsplit on its fastest unit (a split never takes less);
- memory: minimum bytes that the kernels read and write, at the rate of all memories;
- exchange: bytes of operands, once each, at the rate of all ports.

Only elements that are read count, each once: windows may skip some (see `distinct`).

For one image: the longest path, with the fastest split of every kernel, as if it had the machine for itself.

On shared tiles an operand may be read where it was produced: then nothing need be exchanged or received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from itc.analysis.depth import longest_paths
from itc.ir.net import Apply
from itc.ir.types import DTYPE_BYTES
from itc_tile.cost.candidates import candidates
from itc_tile.cost.cycles import mac_cycles, port_cycles, unit_cycles
from itc_tile.cost.distinct import distinct_boxes
from itc_tile.cost.work import KernelWork, Regions, kernel_work
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Machine
from itc_tile.tiling.boxes import volume


@dataclass(frozen=True)
class Bound:
    """Cycles; `outputs` are those of the longest path to each output, by label."""

    compute: int
    work: int
    memory: int
    exchange: int
    outputs: Mapping[str, int]

    @property
    def stream(self) -> int:
        """Lower bound of the period."""
        return max(self.compute, self.work, self.memory, self.exchange)


def lower_bound(graph: KernelGraph, machine: Machine, batch: int = 1, shared: bool = False) -> Bound:
    """The bound for the kernels of a graph, for `batch` images at once, on tiles of their own or on `shared` ones."""
    found = graph.instances
    boxes = {label: distinct_boxes(node.kernel) for label, node in found.items()}
    counts = {label: kernel_work(node.kernel, boxes[label], batch) for label, node in found.items()}
    works = {label: _unit_cycles(counts[label], machine) for label in found}
    compute = sum(
        node.executions * min(batch * mac_cycles(node.kernel, machine), works[label]) for label, node in found.items()
    )
    work = sum(node.executions * works[label] for label, node in found.items())
    memory = sum(node.executions * _memory_cycles(counts[label], machine) for label, node in found.items())
    exchange = 0 if shared else batch * _exchange_bytes(graph, boxes) / machine.exchange.bandwidth
    tiles = machine.tiles
    return Bound(
        ceil(compute / tiles),
        ceil(work / tiles),
        ceil(memory / tiles),
        ceil(exchange / tiles),
        longest_paths(graph.net, _costs(graph, machine, shared)),
    )


def _unit_cycles(work: KernelWork, machine: Machine) -> int:
    """Cycles of a kernel's work on one tile's units."""
    return int(unit_cycles(work, machine)[0])


def _memory_cycles(work: KernelWork, machine: Machine) -> int:
    """Cycles in which one tile loads a kernel's operands and stores its result, both at once."""
    return int(port_cycles(work, machine)[0]) if work.computes else 0


def _exchange_bytes(graph: KernelGraph, boxes: Mapping[str, Regions]) -> int:
    """Bytes of the operands of all executions; loop-invariant operands count once."""
    kept, total = graph.residency, 0
    for label, node in graph.instances.items():
        for value in node.kernel.inputs:
            times = 1 if value.name in kept[label].inputs else node.executions
            total += int(volume(boxes[label][value.name])[0]) * DTYPE_BYTES[value.tensor.dtype] * times
    return total


def _costs(graph: KernelGraph, machine: Machine, shared: bool) -> _Cost:
    residency = graph.residency
    best = {label: candidates(node.kernel, residency[label], machine) for label, node in graph.instances.items()}
    return _Cost({label: float((each.receive * (not shared) + each.compute).min()) for label, each in best.items()})


@dataclass(frozen=True)
class _Cost:
    """Minimum cycles of a kernel, by its label; a kernel that no iteration reaches costs nothing."""

    cycles: Mapping[str, float]

    def __call__(self, apply: Apply) -> float:
        return self.cycles.get(apply.op.label, 0.0) if isinstance(apply.op, Kernel) else 0.0
