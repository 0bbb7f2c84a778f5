"""Rules of the verifier for bulk-synchronous programs: groups of tiles, exchanges, memory, shared addresses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from itc_tile.cost.memory import RESIDENT
from itc_tile.program.build import sent_outputs
from itc_tile.program.program import Program, Supersteps
from itc_tile.program.supersteps.addresses import occupied
from itc_tile.program.supersteps.exchanges import ExchangePlacement
from itc_tile.program.supersteps.lifetimes import Lifetimes, meet
from itc_tile.program.supersteps.overlaps import Overlaps


def grouped(program: Program) -> Iterator[str]:
    """The shards of a kernel are on tiles of their own, in as many groups for all kernels; kept operands exist."""
    assert program.supersteps is not None
    if len({placement.replicas for placement in program.placements.values()}) > 1:
        yield "kernels are on different numbers of groups of tiles"
    for label, placement in program.placements.items():
        if len(np.unique(placement.tiles)) < placement.tiles.size:
            yield f"two shards of `{label}` are on one tile"
    yield from _batched(program, program.supersteps)


def _batched(program: Program, supersteps: Supersteps) -> Iterator[str]:
    groups = max((placement.replicas for placement in program.placements.values()), default=1)
    if not groups <= supersteps.batch:
        yield f"a batch of {supersteps.batch} images on {groups} groups of tiles"
    if len(set(supersteps.kept)) < len(supersteps.kept):
        yield "an operand is kept twice"
    for label, operand in supersteps.kept:
        if label not in program.nodes or not 0 <= operand < len(program.nodes[label].kernel.inputs):
            yield f"operand {operand} of `{label}`, which does not exist, is kept"


def sent_before_readers(program: Program) -> Iterator[str]:
    """Every operand is sent in front of its reader, while its value is still in its buffer, and kept if it must be."""
    assert program.supersteps is not None
    placing = ExchangePlacement(program.graph, frozenset(program.supersteps.kept))
    if placing.kept != set(program.supersteps.kept):
        names = sorted(placing.kept ^ set(program.supersteps.kept))
        yield f"operands that stay on their tiles for all iterations differ: {names[:5]}"
    if placing.steps(sent_outputs(program.exits)) != program.steps:
        yield "an exchange is not in front of the reader of its value, or an output not sent behind its definition"


def within_shared_memory(program: Program) -> Iterator[str]:
    """The buffers of a tile, whichever kernels they belong to, end within its memory."""
    most, memory = int(occupied(program).max(initial=0)), program.machine.tile.memory
    if most > memory:
        yield f"buffers take {most:,} B of the {memory:,} B of a tile"


def disjoint_in_time(program: Program) -> Iterator[str]:
    """Two buffers of a tile share an address only if their lifetimes are disjoint."""
    if any((buffer.address < 0).any() for buffer in program.buffers):
        yield "a buffer begins before the memory of its tile"
    overlaps, lifetimes = Overlaps(program), Lifetimes(program)
    if not overlaps.residents_apart:
        yield "two of the parameters, code and transfer tables of a tile share an address"
    lives = [lifetimes.of(buffer.kernel, buffer.content, buffer.name) for buffer in program.buffers]
    for own in overlaps.transient:
        for other, _ in overlaps.of(own):
            if (own < other or program.buffers[other].content in RESIDENT) and meet(lives[own], lives[other]):
                names = " and ".join(f"`{b.name}` of `{b.kernel}`" for b in (program.buffers[i] for i in (own, other)))
                yield f"{names} share an address while both are in use"
