"""Memory that kernels share in a bulk-synchronous program: what is written to an address is lost to all else there.

Whoever receives an operand or executes writes its buffers. Values of other kernels in the same addresses of a tile are
gone: a later read of them raises TileReadError, instead of finding a store that a real tile would not have.
"""

from __future__ import annotations

from itc_tile.cost.memory import INPUTS, OUTPUT, PARAMETERS, ROWS, SCRATCH, is_one_buffer
from itc_tile.program.program import Buffer
from itc_tile.program.supersteps.lifetimes import arriving_operands
from itc_tile.program.supersteps.overlaps import Overlaps
from itc_tile.simulate.stores import Flags
from itc_tile.simulate.tiles import Tiles


class SharedMemory:
    """The buffers of each kernel that share addresses with buffers of others, and the shards for which they do."""

    def __init__(self, tiles: Tiles) -> None:
        self.tiles = tiles
        self.program = tiles.program
        self.overlaps = Overlaps(self.program)
        self.sharing: dict[int, list[tuple[Buffer, Flags]]] = {}
        self.written: dict[tuple[str, int | None], list[int]] = {}

    def receive(self, label: str, operand: int) -> None:
        """An operand of a kernel arrives."""
        self._write(label, operand)

    def execute(self, label: str) -> None:
        """A kernel writes its result and what it computes before."""
        self._write(label, None)

    def _write(self, label: str, operand: int | None) -> None:
        if (label, operand) not in self.written:
            buffers = enumerate(self.program.buffers)
            self.written[label, operand] = [i for i, each in buffers if self._writes(each, label, operand)]
        for index in self.written[label, operand]:
            if index not in self.sharing:
                self.sharing[index] = [(self.program.buffers[i], shards) for i, shards in self.overlaps.of(index)]
            for other, shards in self.sharing[index]:
                self._lose(other, shards)

    def _writes(self, buffer: Buffer, label: str, operand: int | None) -> bool:
        if buffer.kernel != label:
            return False
        kernel = self.program.nodes[label].kernel
        received = is_one_buffer(kernel, self.program.residency[label].inputs)
        if operand is None:
            return buffer.content in (SCRATCH, ROWS, OUTPUT)
        if buffer.content == INPUTS:
            return operand in arriving_operands(kernel, buffer.name)
        return buffer.content == OUTPUT and received

    def _lose(self, buffer: Buffer, shards: Flags) -> None:
        """Some shards of a kernel have lost what a buffer held."""
        kernel = self.program.nodes[buffer.kernel].kernel
        for copy in range(self.program.nodes[buffer.kernel].replicas):
            own = self.tiles.at[buffer.kernel, copy]
            if buffer.content == OUTPUT:
                for result in own.results.values():
                    result.lost = shards if result.lost is None else result.lost | shards
            if buffer.content == INPUTS:
                for operand in arriving_operands(kernel, buffer.name):
                    own.inputs[operand].lose(shards)
            if buffer.content == PARAMETERS:
                own.params[[p.name for p in kernel.params].index(buffer.name)].lose(shards)
