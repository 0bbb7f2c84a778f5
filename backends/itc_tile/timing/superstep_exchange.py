"""Exchanges of a bulk-synchronous program: transfers that run at once in, cycles out.

Nothing overlaps an exchange, so every port and link is its alone. Rows whose source and target is one tile are no
transfers: the tile's memory ports copy them. The host sends inputs at no cost of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from itc_tile.machine.network import hops, link_loads
from itc_tile.program.program import OperandTransfer, Program
from itc_tile.tiling.sets import Ints


@dataclass(frozen=True)
class ExchangePhase:
    """Cycles of the synchronisation, of the exchange, and of copies within tiles."""

    sync: int
    exchange: int
    rearrange: int


@dataclass(frozen=True, eq=False)
class _Loads:
    """Bytes of one transfer: received and sent by each tile, over each link, and copied within each tile; hops."""

    received: Ints
    sent: Ints
    links: Ints
    copied: Ints
    hops: int
    remote: bool


@dataclass(eq=False)
class SuperstepExchange:
    """The exchanges of a program, each priced once."""

    program: Program
    known: dict[tuple[int, ...], ExchangePhase] = field(default_factory=dict)
    loads: dict[int, _Loads] = field(default_factory=dict)

    def phase(self, edges: Iterable[OperandTransfer]) -> ExchangePhase:
        """Cycles of transfers that run at once; of several producers of one operand, one sends."""
        operands: dict[tuple[str, int], list[OperandTransfer]] = {}
        for edge in edges:
            operands.setdefault((edge.consumer, edge.operand), []).append(edge)
        key = tuple(sorted(id(edge) for group in operands.values() for edge in group))
        if key not in self.known:
            self.known[key] = self._phase([[self._loads(edge) for edge in group] for group in operands.values()])
        return self.known[key]

    def _phase(self, operands: list[list[_Loads]]) -> ExchangePhase:
        machine, exchange = self.program.machine, self.program.machine.exchange
        received, sent, links, copied = (
            int(sum(np.max([getattr(each, name) for each in group], axis=0) for group in operands).max(initial=0))
            for name in ("received", "sent", "links", "copied")
        )
        rearrange = -(-copied // min(machine.tile.load, machine.tile.store))
        loads = [each for group in operands for each in group]
        if not any(each.remote for each in loads):
            return ExchangePhase(0, 0, rearrange)
        distance = max(each.hops for each in loads)
        latency = exchange.latency + exchange.hop * distance
        return ExchangePhase(exchange.sync, latency - (-max(received, sent, links) // exchange.bandwidth), rearrange)

    def _loads(self, edge: OperandTransfer) -> _Loads:
        if id(edge) not in self.loads:
            self.loads[id(edge)] = self._priced(edge)
        return self.loads[id(edge)]

    def _priced(self, edge: OperandTransfer) -> _Loads:
        machine, count = self.program.machine, self.program.machine.tiles
        targets = self.program.placements[edge.consumer].tiles
        source, target = self._ends(edge, 0)
        amounts = edge.table.bytes * self.program.images
        remote = source != target
        rows = np.flatnonzero(remote)
        sending = rows[self._once(edge, rows)] if edge.producer in self.program.placements else rows[:0]
        received = np.bincount(target[rows], amounts[rows], count).astype(np.int64)
        copied = np.bincount(target[~remote], amounts[~remote], count).astype(np.int64)
        sent = np.bincount(source[sending], amounts[sending], count).astype(np.int64)
        links, distance = np.zeros(4 * count, np.int64), 0
        if machine.exchange.network != "all-to-all" and len(sending):
            ends = [self._ends(edge, group) for group in range(len(targets))]
            moving = edge.table.bytes[rows] * self.program.images
            links = np.sum([link_loads(machine, a[rows], b[rows], moving) for a, b in ends], axis=0).reshape(-1)
            distance = max(int(hops(machine, a[rows], b[rows]).max(initial=0)) for a, b in ends)
        return _Loads(received, sent, links, copied, distance, bool(len(rows)))

    def _ends(self, edge: OperandTransfer, group: int) -> tuple[Ints, Ints]:
        """Source and target tiles of each row in a group of tiles; the host is -1."""
        target = self.program.placements[edge.consumer].tiles[group, edge.table.target]
        if edge.producer not in self.program.placements:
            return np.full(len(target), -1), target
        return self.program.placements[edge.producer].tiles[group, edge.table.source], target

    def _once(self, edge: OperandTransfer, rows: Ints) -> Ints:
        """Of some rows those that are sent: with multicast, one of those with the same elements and source."""
        if not self.program.machine.exchange.multicast or not len(rows):
            return np.arange(len(rows))
        columns = np.column_stack([edge.table.source, edge.table.region.identities()])[rows]
        return np.unique(columns, axis=0, return_index=True)[1]
