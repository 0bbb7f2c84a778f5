"""Runs a program on its tiles: arrays go in, the outputs come out, and every element a kernel reads came by a copy.

The rolled net is followed as the interpreter follows it. When a value becomes available (a kernel has run, an iteration
has begun, a branch or a loop is done) it is copied to the kernels that read it then, from where it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np

from itc.analysis.workload import check_workload
from itc.arguments import checked, checked_inputs
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Body, Emit, Loop, Statement, Value, When
from itc.ir.op import Array
from itc_tile.kernels.graph import Reader
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.program import Exit, Program
from itc_tile.simulate.stores import Buffer, TileReadError
from itc_tile.simulate.tiles import KernelTiles, Result, Tiles, shard_kernels
from itc_tile.simulate.workload import workload
from itc_tile.tiling.boxes import whole
from itc_tile.tiling.region import Region

__all__ = ["TileReadError", "Tiles", "run", "simulate"]


def simulate(program: Program, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of `program`, by label, as the interpreter gives them.

    `inputs` has an array [batch, *shape] for each input, `weights` one of `Param.shape` for each parameter's key.
    Raises TileReadError where a tile reads what no copy has brought, and CompileError for arguments that
    do not fit (`itc.arguments.checked`) and for what would take too much memory or time (E0665, E0666).
    """
    values, params = checked(program.net, inputs, weights)
    batch = len(next(iter(values.values()), ()))
    check_workload(workload(program, shard_kernels(program), batch), f"simulating {program.net.name}", program.net.span)
    return run(Tiles(program, params), values)


def run(tiles: Tiles, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a program whose tiles hold their parameters already."""
    running = _Run(tiles, inputs)
    running.start()
    return {label: running.host[label] for label in tiles.program.net.labels}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value is: an input at the host, or a result of a copy of a kernel; `version` tells it from others."""

    producer: str
    version: int
    copy: int = 0
    slot: int = 0


class _Run:
    """One run: where each value is, by name, the iteration of each loop around, and what has reached the host."""

    def __init__(self, tiles: Tiles, inputs: Mapping[str, Array]) -> None:
        self.tiles = tiles
        self.program: Program = tiles.program
        self.inputs = {name: array[None] for name, array in checked_inputs(self.program.net, inputs).items()}
        self.batch = next((array.shape[1] for array in self.inputs.values()), 1)
        self.places: dict[str, _Place] = {}
        self.series: dict[str, list[_Place]] = {}
        self.iteration: dict[str, int] = {}
        self.versions = count(1)
        self.kept = self.program.graph.series_producers
        self.outputs = {(output.name, output.value): output for output in self.program.net.outputs}
        self.host: dict[str, Array] = {}

    def start(self) -> None:
        for value in self.program.net.inputs:
            self.available(value, _Place(value.name, next(self.versions)))
        self.statements(self.program.net.body)

    # Statements

    def statements(self, statements: tuple[Statement, ...], loop: Loop | None = None) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    assert loop is not None
                    self.emit(statement, loop)

    def body(self, body: Body, loop: Loop | None = None) -> list[_Place]:
        self.statements(body.statements, loop)
        return [self.places[value.name] for value in body.yields]

    def loop(self, loop: Loop) -> None:
        carried = [self.places[carry.init.name] for carry in loop.carries]
        self.series |= {result.name: [] for _, results in loop.collected for result in results}
        for t in range(1, loop.count + 1):
            self.iteration[loop.var] = t
            for carry, place in zip(loop.carries, carried, strict=True):
                self.available(carry.inner, place)
            for each in loop.each:
                self.available(each.inner, self.series[each.series.name][t - 1])
            carried = self.body(loop.body, loop)
        del self.iteration[loop.var]
        for result, place in zip(loop.carry_results, carried, strict=True):
            self.available(result, place)

    def when(self, when: When) -> None:
        chosen = when.body if self.iteration[when.var] in when.iterations else when.otherwise
        for result, place in zip(when.results, self.body(chosen), strict=True):
            self.available(result, place)

    def emit(self, emit: Emit, loop: Loop) -> None:
        t = self.iteration[emit.var]
        if t not in emit.iterations:
            return
        results = next(results for other, results in loop.collected if other is emit)
        for value, result, place in zip(emit.body.yields, results, self.body(emit.body), strict=True):
            self.series[result.name].append(place)
            for leaving in self.program.leaving.get(value.name, ()):
                output = self.outputs.get((leaving.output, result))
                if output:
                    self.leave(leaving, output.labels[emit.iterations.rank(t)], place)

    def apply(self, apply: Apply) -> None:
        kernel = apply.op
        assert isinstance(kernel, Kernel), apply
        node = self.program.nodes[kernel.label]
        copy = node.replica_at(self.iteration)
        own = self.tiles.at[kernel.label, copy]
        stack = self.tiles.kernels[kernel.label].run(self.operands(apply, kernel, own))
        if any(np.may_share_memory(stack, buffer.data) for buffer in own.inputs):
            stack = stack.copy()
        version, slot = next(self.versions), self.slot(kernel.label)
        own.results[slot] = Result(version, stack)
        self.available(apply.result, _Place(kernel.label, version, copy, slot))

    def operands(self, apply: Apply, kernel: Kernel, own: KernelTiles) -> dict[str, Array]:
        """The stacks that a kernel reads on its own tiles, by formal name."""
        values = {
            formal.name: buffer.read(self.places[value.name].version)
            for position, (formal, value, buffer) in enumerate(
                zip(kernel.inputs, apply.values, own.inputs, strict=True)
            )
            if position not in kernel.shape_only
        }
        return values | {formal.name: own.param(i, self.iteration) for i, formal in enumerate(kernel.params)}

    def slot(self, label: str) -> int:
        """Where a kernel puts its result: one place, unless it is an element of a series that is kept."""
        emit = self.kept.get(label)
        return emit.iterations.rank(self.iteration[emit.var]) if emit else 0

    # Copies

    def available(self, value: Value, place: _Place) -> None:
        """Brings a value to everybody who reads it before it is another."""
        self.places[value.name] = place
        for reader in self.program.readers.get(value.name, ()):
            self.bring(reader, place)
        for leaving in self.program.leaving.get(value.name, ()):
            if (leaving.output, value) in self.outputs:
                self.leave(leaving, leaving.output, place)

    def bring(self, reader: Reader, place: _Place) -> None:
        """Copies a value to a kernel, if the iterations of the loops around are ones in which it may run."""
        node, reach = reader.instance, reader.instance.reach
        if not all(self.iteration[var] in reach[var] for var in reach if var in self.iteration):
            return
        now = {var: IterationSet.span(t, t) for var, t in self.iteration.items() if var in reach}
        edge = self.program.edge.get((node.label, reader.operand, place.producer))
        for copy in node.replicas_in({**reach, **now}):
            buffer = self.tiles.at[node.label, copy].inputs[reader.operand]
            buffer.await_version(place.version)
            buffer.make_room(self.batch)
            if edge is None:
                continue
            route = self.tiles.route(edge.copies, Region(self.program.made[edge.producer]), buffer.region)
            buffer.receive(route, self.source(place), self.batch)

    def leave(self, leaving: Exit, label: str, place: _Place) -> None:
        """Copies an output to the host."""
        buffer = Buffer(Region(whole(leaving.shape, (1,))), label, "the output", [None])
        buffer.await_version(place.version)
        route = self.tiles.route(leaving.copies, Region(self.program.made[leaving.producer]), buffer.region)
        buffer.receive(route, self.source(place), self.batch)
        self.host[label] = buffer.read(place.version)[0]

    def source(self, place: _Place) -> Array:
        """The stack that holds a value; it must still be there."""
        if place.producer in self.inputs:
            return self.inputs[place.producer]
        result = self.tiles.at[place.producer, place.copy].results[place.slot]
        assert result.version == place.version, f"{place} was overwritten before it was copied"
        return result.stack
