"""Tiling for latency: the splits with which the critical path to an output is as short as the tiles allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from itc_tile.cost.allocation import Allocator, Front, front
from itc_tile.kernels.critical import CriticalPaths
from itc_tile.machine.model import Machine
from itc_tile.mapping.spatial.kernels import KernelCandidates
from itc_tile.tiling.partition import Split

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sending:
    """The transfer of a kernel's result to one reader: `slowdown` is the inverse of the reader's share of the port.

    `receiving` are the cycles of the reader's ports, in which it would have all of its operands.
    """

    slowdown: float = 0.0
    receiving: int = 0

    def excess(self, cycles: ArrayLike) -> Floats:
        """Cycles for which the reader waits beside those, where the port is taken for some by the whole result."""
        return np.maximum(self.slowdown * np.asarray(cycles) - self.receiving, 0)


def shorten_path(
    kernels: Sequence[KernelCandidates],
    machine: Machine,
    paths: CriticalPaths,
    output: str,
    sending: Mapping[str, Sending],
    memory: int,
    buffering: Mapping[str, float],
) -> dict[str, Split] | None:
    """A split of each kernel, by label, whose tiles hold at most `memory` bytes; None where that is infeasible.

    `sending` are the shares of ports in an earlier plan.
    """
    while True:
        fronts = [_front(kernel, memory, buffering, sending) for kernel in kernels]
        if not all(len(each.tiles) for each, _ in fronts):
            return None
        allocator = Allocator([each for each, _ in fronts], machine.tiles)
        if not allocator.feasible:
            return None
        positions = allocator.allocate(lambda cycles: paths.paths(cycles, [output])[output]).positions
        chosen = {each.label: int(indices[positions[each.label]]) for each, indices in fronts}
        if all(
            kernel.exact_memory(chosen[kernel.label], machine, buffering.get(kernel.label, 0.0)) <= memory
            for kernel in kernels
        ):
            return {kernel.label: kernel.candidates.split(chosen[kernel.label]) for kernel in kernels}


def _front(
    kernel: KernelCandidates, memory: int, buffering: Mapping[str, float], sending: Mapping[str, Sending]
) -> tuple[Front, NDArray[np.int64]]:
    """The front of a kernel's candidates that fit, and the candidate of each of its positions."""
    fits = np.flatnonzero(kernel.memory(buffering.get(kernel.label, 0.0)) <= memory)
    excess = sending.get(kernel.label, Sending()).excess(kernel.candidates.send[fits])
    cycles = kernel.execution[fits] + np.ceil(excess).astype(np.int64)
    found = front(kernel.label, kernel.candidates.shards[fits] * kernel.replicas, cycles)
    return found, fits[found.chosen]
