"""Transfer latencies: a program in, cycles until the operands of each kernel have arrived out.

Exchanges are limited by ports and links, which carry `bandwidth` bytes a cycle each way:

- Sending: bytes of a tile to each reader; with multicast, elements for several shards of one reader are sent once.
- Receiving: all operands of a tile. Of several producers of an operand, one sends at a time.
- Links of a mesh or torus: row first, then column; see `link_loads`.

Every reader has a fixed share of each port and link on its routes, and the smallest share determines its transfer
latency. No port or link is ever oversubscribed, however transfers overlap, and a transfer may start as soon as its data
is available: contention is always paid in full. Shares are proportional to the square root of (bytes of an execution x
executions), which minimises the sum of all transfer latencies of an image.

Of inputs, only the ports of the receiving tiles are modelled; the host's side of inputs and outputs takes no cycles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from math import prod

import numpy as np
from numpy.typing import NDArray

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc_tile.kernels.definitions import ReachingDefinitions
from itc_tile.kernels.instances import KernelInstance
from itc_tile.machine.network import hops, link_loads
from itc_tile.program.program import OperandTransfer, Program
from itc_tile.tiling.sets import Ints, row_keys

Pair = tuple[int, int]
Floats = NDArray[np.float64]
#: Numbers of the ports or links with a load, and its bytes.
Loads = tuple[Ints, Ints]


@dataclass(frozen=True, eq=False)
class Exchange:
    """The transfers of a program in one execution of each kernel."""

    program: Program

    @cached_property
    def transfer_latencies(self) -> dict[str, int]:
        """For each kernel with operands the longest transfer latency, over all producers."""
        producers: dict[str, set[str]] = {}
        for edge in self.program.edges:
            producers.setdefault(edge.consumer, set()).add(edge.producer)
        return {label: self.transfer_latency(label, found) for label, found in producers.items()}

    def transfer_latency(self, label: str, producers: Iterable[str]) -> int:
        """Cycles from an operand's availability at `producers` to its arrival on all tiles of a kernel.

        A kernel that reads padding alone receives nothing, but takes part in the synchronisation.
        """
        exchange = self.program.machine.exchange
        most = max(float(self.received[label].max()), self._linking.get(label, 0.0))
        most = max([most, *(self.sending[p][label] for p in producers if label in self.sending.get(p, {}))])
        fixed = exchange.sync + exchange.latency + exchange.hop * self._distance.get(label, 0)
        return fixed + int(np.ceil(most / exchange.bandwidth))

    @cached_property
    def amounts(self) -> dict[OperandTransfer, Ints]:
        """Bytes of each row of each edge."""
        return {edge: edge.table.bytes for edge in self.program.edges}

    @cached_property
    def operands(self) -> dict[str, list[list[OperandTransfer]]]:
        """For each kernel its operands, and for each operand the transfers from its possible producers."""
        found: dict[str, dict[int, list[OperandTransfer]]] = {}
        for edge in self.program.edges:
            found.setdefault(edge.consumer, {}).setdefault(edge.operand, []).append(edge)
        return {label: list(edges.values()) for label, edges in found.items()}

    @cached_property
    def received(self) -> dict[str, Ints]:
        """Bytes that each shard of a kernel receives for an execution."""
        found = {label: np.zeros(placement.shards, np.int64) for label, placement in self.program.placements.items()}
        for label, operands in self.operands.items():
            for edges in operands:
                each = [_per_shard(e.table.target, self.amounts[e], len(found[label])) for e in edges]
                found[label] += np.max(each, axis=0)
        return found

    @cached_property
    def sent(self) -> dict[str, dict[str, Ints]]:
        """By producer and reader, bytes that each shard of the producer sends for an execution of the reader."""
        found: dict[str, dict[str, Ints]] = {label: {} for label in self.program.placements}
        for edge in self.program.edges:
            if edge.producer in found:
                once = self._sent_once(edge)
                shards = self.program.placements[edge.producer].shards
                amounts = _per_shard(
                    edge.table.source[once], self.amounts[edge][once], shards
                ) * self._concurrent_replicas(edge)
                readers = found[edge.producer]
                readers[edge.consumer] = readers.get(edge.consumer, np.zeros(shards, np.int64)) + amounts
        return found

    @cached_property
    def links(self) -> dict[str, Loads]:
        """Links with their bytes for an execution of each kernel; empty on an all-to-all network.

        Kernels use few of the links: of 1,024 kernels on 100,000 tiles, all would take gigabytes.
        """
        if self.program.machine.exchange.network == "all-to-all":
            return {}
        found: dict[str, Loads] = {}
        for label, operands in self.operands.items():
            each = [[self._links(e) for e in edges if e.producer in self.program.placements] for edges in operands]
            loads = [reduce(np.maximum, some) for some in each if some]
            if loads:
                found[label] = _used(reduce(np.add, loads))
        return found

    @cached_property
    def sending(self) -> dict[str, dict[str, float]]:
        """By producer and reader, the load of the producer's scarcest port at the reader's share, see `_shared`."""
        return {
            label: self._shared({reader: _used(load) for reader, load in readers.items()})
            for label, readers in self.sent.items()
        }

    @cached_property
    def _linking(self) -> dict[str, float]:
        return self._shared(self.links)

    def _shared(self, loads: dict[str, Loads]) -> dict[str, float]:
        """Bytes that a full port carries in the time in which each reader's smallest share carries its load."""
        size = 1 + max((int(ports.max(initial=0)) for ports, _ in loads.values()), default=0)
        weights: Floats = np.zeros(size)
        for label, (ports, amounts) in loads.items():
            weights[ports] += np.sqrt(amounts * float(self.program.nodes[label].executions))
        return {
            label: float((np.sqrt(amounts / self.program.nodes[label].executions) * weights[ports]).max(initial=0))
            for label, (ports, amounts) in loads.items()
        }

    def _concurrent_replicas(self, edge: OperandTransfer) -> int:
        """Replicas of the reader that receive the value at once: all that execute before it is defined again."""
        reader = self.program.nodes[edge.consumer]
        return prod(axis.count for var, axis in reader.axes.items() if edge.value not in self._inside[var])

    @cached_property
    def _inside(self) -> dict[str, set[str]]:
        return self.program.graph.inner_values

    def _sent_once(self, edge: OperandTransfer) -> Ints:
        """Rows that are sent: with multicast, one of those with the same elements and source."""
        if not self.program.machine.exchange.multicast:
            return np.arange(len(edge.table))
        rows = np.column_stack([edge.table.source, edge.table.region.identities()])
        return np.unique(row_keys(rows), return_index=True)[1]

    @cached_property
    def _distance(self) -> dict[str, int]:
        """For each kernel hops of the longest route of its operands, over all pairs of replicas."""
        return {
            label: self._farthest(e for edges in operands for e in edges) for label, operands in self.operands.items()
        }

    def _farthest(self, edges: Iterable[OperandTransfer]) -> int:
        machine = self.program.machine
        if machine.exchange.network == "all-to-all":
            return 0
        between = (edge for edge in edges if edge.producer in self.program.placements)
        ends = (ends for edge in between for ends in self._ends(edge, self.pairs(edge)))
        return max((int(hops(machine, source, target).max(initial=0)) for source, target in ends), default=0)

    def _links(self, edge: OperandTransfer) -> Ints:
        """Loads of the links for one execution.

        Replicas of one kernel execute in turn, unless they receive a value at once. If both kernels have replicas, all
        may execute at once.
        """
        amounts, pairs = self.amounts[edge], self.pairs(edge)
        loads = [link_loads(self.program.machine, *ends, amounts) for ends in self._ends(edge, pairs)]
        together = (
            all(len({pair[side] for pair in pairs}) > 1 for side in (0, 1)) or self._concurrent_replicas(edge) > 1
        )
        return reduce(np.add if together else np.maximum, loads)

    def _ends(self, edge: OperandTransfer, pairs: list[Pair]) -> Iterator[tuple[Ints, Ints]]:
        """Source and target tiles of each row, for pairs of replicas."""
        sources = self.program.placements[edge.producer].tiles
        targets = self.program.placements[edge.consumer].tiles
        for source, target in pairs:
            yield sources[source, edge.table.source], targets[target, edge.table.target]

    def pairs(self, edge: OperandTransfer) -> list[Pair]:
        """Pairs of replicas of producer and consumer that the edge connects in some iteration."""
        consumer, producer = (self.program.nodes[label] for label in (edge.consumer, edge.producer))
        if consumer.replicas == producer.replicas == 1:
            return [(0, 0)]
        found: dict[Pair, None] = {}
        for replica in range(consumer.replicas):
            for origin in self._reaching.definitions(edge.value, replica_reach(consumer, replica)):
                if origin.producer == edge.producer:
                    reach = {var: origin.reach[var] for var in producer.reach}
                    found |= dict.fromkeys((at, replica) for at in producer.replicas_in(reach))
        return list(found)

    @cached_property
    def _reaching(self) -> ReachingDefinitions:
        return self.program.graph.reaching


def replica_reach(node: KernelInstance, replica: int) -> Reach:
    """The iterations in which one replica of a kernel executes."""
    found: dict[str, IterationSet] = {}
    for var, axis in reversed(node.axes.items()):
        replica, at = divmod(replica, axis.count)
        found[var] = IterationSet.of(axis.reach[axis.groups == at].tolist())
    return {var: found.get(var, iterations) for var, iterations in node.reach.items()}


def transfer_volume(exchange: Exchange) -> tuple[Ints, Ints, Ints]:
    """Transfer volume of one image: source tiles, target tiles and bytes, row by row."""
    placements = exchange.program.placements
    source, target, amounts = [], [], []
    for edge in exchange.program.edges:
        if edge.producer not in placements:
            continue
        pairs = exchange.pairs(edge)
        executions = exchange.program.nodes[edge.consumer].executions / len(pairs)
        for from_, to in pairs:
            source.append(placements[edge.producer].tiles[from_, edge.table.source])
            target.append(placements[edge.consumer].tiles[to, edge.table.target])
            amounts.append((exchange.amounts[edge] * executions).astype(np.int64))
    none = [np.zeros(0, np.int64)]
    return np.concatenate(source or none), np.concatenate(target or none), np.concatenate(amounts or none)


def _per_shard(shards: Ints, amounts: Ints, count: int) -> Ints:
    return np.bincount(shards, amounts, count).astype(np.int64)


def _used(loads: Ints) -> Loads:
    """The ports or links with a load."""
    flat = loads.reshape(-1)
    ports = np.flatnonzero(flat)
    return ports, flat[ports]
