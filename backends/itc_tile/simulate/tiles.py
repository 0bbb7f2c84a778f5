"""The tiles of a program with their parameters loaded, and the transfers between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from itc.ir.op import Array
from itc_tile.kernels.instances import KernelInstance, Numbers
from itc_tile.program.program import ParameterTransfer, Program, TransferTable
from itc_tile.simulate.shard_values import ShardKernel
from itc_tile.simulate.stores import Buffer, Flags, Route
from itc_tile.tiling.boxes import whole
from itc_tile.tiling.region import Region

LOADED = 0  # the version of parameters: they are never replaced


@dataclass
class Result:
    """A stack of results [shards, batch, ...], the version of the value that it is, and the shards that lost it."""

    version: int
    stack: Array
    lost: Flags | None = None


@dataclass
class KernelTiles:
    """Stores of the tiles of one replica of a kernel.

    `params` are stacks [shards, sets, ...] of the parameter sets that this replica keeps. `results` are by slot:
    one, or one for each element of a series.
    """

    node: KernelInstance
    inputs: list[Buffer]
    params: list[Buffer]
    sets: list[tuple[Numbers, ...]]
    results: dict[int, Result] = field(default_factory=dict)

    def param(self, position: int, iteration: Mapping[str, int]) -> Array:
        """The set of a parameter that these iterations read, as a stack with a batch of one."""
        slot = self.node.slot(position, self.sets[position], iteration)
        return self.params[position].read(LOADED)[:, slot : slot + 1]


def shard_kernels(program: Program) -> dict[str, ShardKernel]:
    """How the values of each kernel of a program are computed, by label."""
    return {label: ShardKernel(node.kernel, program.required[label]) for label, node in program.nodes.items()}


class Tiles:
    """All stores of a program's tiles, by kernel label and replica. They may be read and changed between runs."""

    def __init__(
        self, program: Program, weights: Mapping[str, Array], kernels: Mapping[str, ShardKernel] | None = None
    ) -> None:
        self.program = program
        #: How the values of each kernel are computed, by label.
        self.kernels = shard_kernels(program) if kernels is None else kernels
        self._routes: dict[int, Route] = {}
        self.at = {
            (label, copy): self._kernel(node, copy)
            for label, node in program.nodes.items()
            for copy in range(node.replicas)
        }
        for load in program.loads:
            self._load(load, weights[load.key])

    def route(self, copies: TransferTable, held: Region, into: Region) -> Route:
        """The rows of a table as copies between two stacks."""
        if id(copies) not in self._routes:
            self._routes[id(copies)] = Route(held, into, copies)
        return self._routes[id(copies)]

    def is_used(self, copies: TransferTable) -> bool:
        """Whether a table has been run."""
        return id(copies) in self._routes

    def _kernel(self, node: KernelInstance, copy: int) -> KernelTiles:
        tiles = [int(tile) for tile in self.program.placements[node.label].tiles[copy]]
        held, kernel = self.program.required[node.label], node.kernel
        inputs = [
            Buffer(held[formal.name], f"%{value.name}", node.label, tiles)
            for formal, value in zip(kernel.inputs, node.apply.values, strict=True)
        ]
        params = [
            Buffer(held[formal.name], f"@{ref.key}", node.label, tiles)
            for formal, ref in zip(kernel.params, node.refs, strict=True)
        ]
        return KernelTiles(node, inputs, params, [node.sets(i, copy) for i in range(len(params))])

    def _load(self, load: ParameterTransfer, weight: Array) -> None:
        """Loads the sets of a parameter that each replica of a kernel keeps."""
        node = self.program.nodes[load.consumer]
        formal = node.kernel.params[load.position]
        for copy in range(node.replicas):
            tiles = self.at[load.consumer, copy]
            sets = tiles.sets[load.position]
            kept = weight[np.ix_(*sets)] if sets else weight
            source = np.ascontiguousarray(kept).reshape(1, -1, *formal.tensor.shape)
            buffer = tiles.params[load.position]
            buffer.await_version(LOADED)
            route = self.route(load.table, Region(whole(formal.tensor.shape, (1,))), buffer.region)
            buffer.receive(route, source, source.shape[1])
