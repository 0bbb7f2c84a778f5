"""Kernels of a graph as a spatial mapping sees them: executions, transfers, and candidates with cycles and memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np

from itc_tile.cost.candidates import Candidates, candidates
from itc_tile.cost.cycles import check_units
from itc_tile.cost.memory import INPUTS, OUTPUT, kernel_memory, total
from itc_tile.kernels.graph import KernelGraph, Residency
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.model import Machine
from itc_tile.program.program import regions
from itc_tile.tiling.partition import Split
from itc_tile.tiling.sets import Ints, distinct_rows
from itc_tile.timing.spacing import intervals, sending_intervals


@dataclass(frozen=True, eq=False)
class KernelCandidates:
    """A kernel instance with its candidate splits, its executions, and what its tiles keep.

    `executions_per_replica` are those of one replica for one image, or as many as would keep its tiles as busy where
    they are not equally far apart. `readers` are the kernels that read its result, once for each operand. While the
    result is sent once at the full rate of a port, `sending` results are due in a period: of the reader whose share of
    the port is the scarcest.
    """

    instance: KernelInstance
    executions_per_replica: int
    readers: tuple[KernelInstance, ...]
    sending: float
    residency: Residency
    candidates: Candidates

    @property
    def label(self) -> str:
        return self.instance.label

    @cached_property
    def replicas(self) -> int:
        return self.instance.replicas

    @cached_property
    def latency(self) -> Ints:
        """Cycles of an image in this kernel, by candidate: receiving, computing, and sending to all readers."""
        running = self.execution * self.instance.executions
        return running + self.candidates.send * sum(reader.executions for reader in self.readers)

    @cached_property
    def execution(self) -> Ints:
        """Cycles of one execution, by candidate: receiving and computing."""
        return self.candidates.receive + self.candidates.compute

    def send(self, split: Split) -> int:
        """Cycles in which the tiles of a candidate send their result once."""
        return int(self.candidates.send[self._index[split]])

    @cached_property
    def _index(self) -> dict[Split, int]:
        return {self.candidates.split(index): index for index in range(len(self.candidates))}

    @cached_property
    def initiation_interval(self) -> Ints:
        """Minimum cycles between two images, by candidate, where tiles receive before they compute."""
        return self._interval(self.execution)

    @cached_property
    def overlapped_interval(self) -> Ints:
        """The same where tiles receive operands while they compute: with memory for more than one of each."""
        return self._interval(np.maximum(self.candidates.receive, self.candidates.compute))

    def interval(self, overlapped: bool) -> Ints:
        return self.overlapped_interval if overlapped else self.initiation_interval

    def _interval(self, running: Ints) -> Ints:
        sending = np.ceil(self.candidates.send * self.sending).astype(np.int64)
        return np.asarray(np.maximum(running * self.executions_per_replica, sending))

    def memory(self, buffering: float) -> Ints:
        """Bytes of the fullest tile, by candidate, with `buffering` times its inputs and result beside.

        Of one shard, or where `exact_memory` was asked for, of all.
        """
        estimates = self.candidates.memory + np.ceil(buffering * self.candidates.buffered).astype(np.int64)
        for index, (bytes, buffered) in self._exact.items():
            estimates[index] = _fullest(bytes, buffered, buffering)
        return np.asarray(estimates)

    def exact_memory(self, index: int, machine: Machine, buffering: float) -> int:
        """The same for one candidate, over all of its shards."""
        if index not in self._exact:
            shard_regions = regions(self.instance, self.candidates.split(index))
            memory = kernel_memory(self.instance.kernel, shard_regions, self.residency, machine)
            pairs = np.stack([total(memory), memory[INPUTS] + memory[OUTPUT]], axis=-1)
            bytes, buffered = distinct_rows(pairs)[0].T
            self._exact[index] = bytes, buffered
        return _fullest(*self._exact[index], buffering)

    @cached_property
    def _exact(self) -> dict[int, tuple[Ints, Ints]]:
        """By candidate, the pairs of bytes and buffered bytes that occur on its tiles."""
        return {}


def _fullest(bytes: Ints, buffered: Ints, buffering: float) -> int:
    return int((bytes + np.ceil(buffering * buffered).astype(np.int64)).max())


def kernel_candidates(graph: KernelGraph, machine: Machine) -> list[KernelCandidates]:
    """The kernels of a graph with all their candidates, in text order."""
    executions = {label: intervals(graph, instance) for label, instance in graph.instances.items()}
    out = []
    for label, instance in graph.instances.items():
        check_units(instance.kernel, machine, instance.apply.span)
        residency = graph.residency[label]
        splits = candidates(instance.kernel, residency, machine)
        readers = tuple(graph.instances[consumer] for consumer in graph.consumers[label])
        sending = _sending(graph, readers)
        out.append(KernelCandidates(instance, executions[label], readers, sending, residency, splits))
    return out


def _sending(graph: KernelGraph, readers: tuple[KernelInstance, ...]) -> float:
    """Most executions of a reader in a period, times the inverse of its share of the producer's ports.

    Shares are those of `itc_tile.timing.exchange`, for readers that all read the whole result.
    """
    loads = Counter(reader.label for reader in readers)
    nodes = {reader.label: reader for reader in readers}
    weights = sum(sqrt(load * nodes[label].executions) for label, load in loads.items())
    shares = {label: sqrt(load / nodes[label].executions) * weights for label, load in loads.items()}
    return max((sending_intervals(graph, nodes[label]) * share for label, share in shares.items()), default=0.0)
