"""Plans a temporal mapping: layouts, groups of tiles for a batch, and less memory at the cost of cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from itc_tile.cost.candidates import Candidates
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine, load_machine, presets
from itc_tile.mapping.base import Infeasible, Objective
from itc_tile.mapping.temporal.infeasible import does_not_fit
from itc_tile.mapping.temporal.layouts import LayoutChoice, LayoutSpace, candidate_splits
from itc_tile.program.build import build_program
from itc_tile.program.program import Placement, Program, Supersteps
from itc_tile.program.steps import Target
from itc_tile.program.supersteps.addresses import occupied, shared_addresses
from itc_tile.program.supersteps.exchanges import loop_invariant
from itc_tile.tiling.partition import Split
from itc_tile.timing.supersteps import time_supersteps

#: Prices of a byte of parameters and tables, as shares of the cycles of a kernel for all of a tile's memory, and limits
#: of all other contents of a tile, as shares of its memory; tried in this order until a program fits.
ATTEMPTS = ((0, 1), (0.3, 0.6), (3, 0.4), (30, 0.3), (100, 0.3), (300, 0.3), (1e3, 0.2), (1e4, 0.15))
PRICE_OF_KEEPING = 10  # from which on no operand stays on its tiles for all iterations unless it must
NONE: frozenset[Target] = frozenset()
MARGIN = 1.25  # of an estimate of memory, for transfer tables and values that live on


@dataclass(frozen=True)
class Temporal:
    """Kernels run one after the other on all tiles, in supersteps of exchange and compute."""

    batch: int = 1
    name: str = "temporal"

    def plan(self, graph: KernelGraph, machine: Machine, objective: Objective) -> Program | Infeasible:  # noqa: ARG002
        """The program of fewest cycles for a batch, which serves latency and throughput alike. E0553: it does not fit.

        Raises CompileError (E0513) for elements that the machine cannot compute.
        """
        graph = KernelGraph(graph.net, replicated=False)
        best: Program | None = None
        smallest: Program | None = None
        for groups in _groups(self.batch, machine):
            for program in self._programs(graph, machine, groups):
                if _fits(program):
                    best = min((p for p in (best, program) if p), key=_cycles)
                else:
                    smallest = min((p for p in (smallest, program) if p), key=_peak)
        if best:
            return best
        assert smallest
        return Infeasible(does_not_fit(smallest, _larger(graph, machine)))

    def _programs(self, graph: KernelGraph, machine: Machine, groups: int) -> Iterator[Program]:
        """Programs on groups of tiles, of ever less memory until one fits."""
        part = _part(machine, groups)
        images = -(-self.batch // groups)
        splits = candidate_splits(graph, part)
        invariant = loop_invariant(graph)
        spaces = [LayoutSpace(graph, part, images, kept, splits) for kept in dict.fromkeys((invariant, NONE))]
        for price, share in ATTEMPTS:
            for space in spaces[-1:] if price > PRICE_OF_KEEPING else spaces:
                choice = LayoutChoice(space, price * _cycles_of_a_byte(space), share * machine.tile.memory)
                placements = _placed(space, choice.chosen(), groups, machine, bool(price))
                schedule = Supersteps(self.batch, tuple(sorted(space.kept)))
                program = shared_addresses(build_program(graph, machine, placements, schedule))
                yield program
                if _fits(program):
                    return


def _larger(graph: KernelGraph, machine: Machine) -> tuple[Machine, int] | None:
    """The smallest preset of more memory that seems to suffice, and the bytes that its fullest tile would hold."""
    others = sorted((load_machine(name) for name in presets()), key=lambda other: (other.memory, other.clock))
    for other in others:
        if other.memory > machine.memory and set(other.compute) >= set(machine.compute):
            bytes = int(MARGIN * _least_memory(candidate_splits(graph, other)))
            if bytes <= other.tile.memory:
                return other, bytes
    return None


def _least_memory(splits: Mapping[str, Candidates]) -> int:
    """An estimate: all parameters and the largest other contents, of the splits of least memory."""
    least = [(found, int(np.argmin(found.memory))) for found in splits.values()]
    parameters = sum(int(found.parameters[at]) for found, at in least)
    return parameters + max((int(found.memory[at] - found.parameters[at]) for found, at in least), default=0)


def _cycles(program: Program) -> int:
    return time_supersteps(program).total


def _peak(program: Program) -> int:
    return int(occupied(program).max(initial=0))


def _fits(program: Program) -> bool:
    return _peak(program) <= program.machine.tile.memory


def _cycles_of_a_byte(space: LayoutSpace) -> float:
    """The mean cycles of a kernel for one batch, over the bytes of a tile."""
    cycles = [int(c.compute.min()) * space.graph.instances[label].executions for label, c in space.candidates.items()]
    return float(np.mean(cycles or [0]) + 1) * space.images / space.machine.tile.memory


def _groups(batch: int, machine: Machine) -> list[int]:
    """Numbers of equal groups of tiles over which a batch can be divided."""
    rows = machine.grid[0] if machine.grid and machine.exchange.network != "all-to-all" else machine.tiles
    possible = [count for count in range(1, batch + 1) if batch % count == 0 and count <= rows]
    return [count for count in possible if rows % count == 0 or machine.exchange.network == "all-to-all"]


def _part(machine: Machine, groups: int) -> Machine:
    """The machine of one group: some rows of the grid, or some of the tiles."""
    if groups == 1:
        return machine
    if machine.exchange.network == "all-to-all" or machine.grid is None:
        return machine.model_copy(update={"tiles": machine.tiles // groups, "grid": None})
    rows, columns = machine.grid
    grid = (rows // groups, columns)
    return machine.model_copy(update={"tiles": grid[0] * columns, "grid": grid})


def _placed(
    space: LayoutSpace, splits: Mapping[str, Split], groups: int, machine: Machine, spread: bool
) -> list[Placement]:
    """Shard i of each kernel on tile i; with `spread`, on the tiles of fewest parameters."""
    part = space.machine.tiles
    filled = np.zeros(part, np.int64)
    bases = np.arange(groups)[:, None] * part
    assert groups * part <= machine.tiles
    placements = []
    for label, split in splits.items():
        tiles = np.arange(split.shards)
        if spread:
            tiles = np.sort(np.argsort(filled, kind="stable")[: split.shards])
        filled[tiles] += _parameters(space, label, split)
        placements.append(Placement(label, split, bases + tiles))
    return placements


def _parameters(space: LayoutSpace, label: str, split: Split) -> int:
    """Bytes of the parameters of the fullest tile."""
    found = space.candidates[label]
    columns = np.array([split.channels, split.rows, split.columns])
    return int(found.parameters[np.flatnonzero((found.splits == columns).all(axis=1))[0]])
