"""Runs a program on its tiles: arrays go in, outputs come out; transfers bring every element that a kernel reads.

The rolled steps run in order, as the interpreter runs a net. An exchange step copies a value from the stores of its
producer to those of its readers.
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
from itc_tile.kernels.instances import KernelInstance
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.program import OutputTransfer, Program, sent_value
from itc_tile.program.steps import ExchangeStep
from itc_tile.simulate.shard_values import ShardKernel
from itc_tile.simulate.shared_memory import SharedMemory
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
    kernels = check_sizes(program, len(next(iter(values.values()), ())))
    return run(Tiles(program, params, kernels), values)


def check_sizes(program: Program, batch: int = 1) -> dict[str, ShardKernel]:
    """How the kernels are computed; raises CompileError where `batch` samples would take too much (E0665, E0666)."""
    kernels = shard_kernels(program)
    check_workload(workload(program, kernels, batch), f"simulating {program.net.name}", program.net.span)
    return kernels


def run(tiles: Tiles, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a program whose tiles hold their parameters already."""
    running = _Run(tiles, inputs)
    running.start()
    return {label: running.host[label] for label in tiles.program.net.labels}


@dataclass(frozen=True, slots=True)
class _Location:
    """Location of a value: an input at the host, or a result of a replica of a kernel, with a unique `version`."""

    producer: str
    version: int
    copy: int = 0
    slot: int = 0


class _Run:
    """State of one run: the location of each value, the iteration of each loop, and the outputs at the host."""

    def __init__(self, tiles: Tiles, inputs: Mapping[str, Array]) -> None:
        self.tiles = tiles
        self.program: Program = tiles.program
        self.inputs = {name: array[None] for name, array in checked_inputs(self.program.net, inputs).items()}
        self.batch = next((array.shape[1] for array in self.inputs.values()), 1)
        self.locations: dict[str, _Location] = {}
        self.series: dict[str, list[_Location]] = {}
        self.iteration: dict[str, int] = {}
        self.versions = count(1)
        self.kept = self.program.graph.series_producers
        net = self.program.net
        self.outputs = {(output.name, sent_value(net, output).name): output for output in net.outputs}
        loops = self.program.graph.loops.values()
        self.emits = {v.name: emit for loop in loops for emit, series in loop.collected for v in series}
        self.host: dict[str, Array] = {}
        self.shared = SharedMemory(tiles) if self.program.supersteps and self.program.buffers else None

    def start(self) -> None:
        for value in self.program.net.inputs:
            self.locations[value.name] = _Location(value.name, next(self.versions))
        self.statements(self.program.steps)

    # Statements

    def statements(self, statements: tuple[Statement, ...], loop: Loop | None = None) -> None:
        for statement in statements:
            match statement:
                case Apply(op=ExchangeStep() as step):
                    self.exchange(statement.values[0], step)
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    assert loop is not None
                    self.emit(statement, loop)

    def body(self, body: Body, loop: Loop | None = None) -> list[_Location]:
        self.statements(body.statements, loop)
        return [self.locations[value.name] for value in body.yields]

    def loop(self, loop: Loop) -> None:
        carried = [self.locations[carry.init.name] for carry in loop.carries]
        self.series |= {result.name: [] for _, results in loop.collected for result in results}
        for t in range(1, loop.count + 1):
            self.iteration[loop.var] = t
            for carry, location in zip(loop.carries, carried, strict=True):
                self.locations[carry.inner.name] = location
            for each in loop.each:
                self.locations[each.inner.name] = self.series[each.series.name][t - 1]
            carried = self.body(loop.body, loop)
        del self.iteration[loop.var]
        for result, location in zip(loop.carry_results, carried, strict=True):
            self.locations[result.name] = location

    def when(self, when: When) -> None:
        chosen = when.body if self.iteration[when.var] in when.iterations else when.otherwise
        for result, location in zip(when.results, self.body(chosen), strict=True):
            self.locations[result.name] = location

    def emit(self, emit: Emit, loop: Loop) -> None:
        t = self.iteration[emit.var]
        if t not in emit.iterations:
            return
        results = next(results for other, results in loop.collected if other is emit)
        for result, location in zip(results, self.body(emit.body), strict=True):
            self.series[result.name].append(location)

    def apply(self, apply: Apply) -> None:
        kernel = apply.op
        assert isinstance(kernel, Kernel), apply
        node = self.program.nodes[kernel.label]
        copy = node.replica_at(self.iteration)
        own = self.tiles.at[kernel.label, copy]
        stack = self.tiles.kernels[kernel.label].run(self.operands(apply, kernel, own))
        if any(np.may_share_memory(stack, buffer.data) for buffer in own.inputs):
            stack = stack.copy()
        if self.shared:
            self.shared.execute(kernel.label)
        version, slot = next(self.versions), self.slot(kernel.label)
        own.results[slot] = Result(version, stack)
        self.locations[apply.result.name] = _Location(kernel.label, version, copy, slot)

    def operands(self, apply: Apply, kernel: Kernel, own: KernelTiles) -> dict[str, Array]:
        """The stacks that a kernel reads on its own tiles, by formal name."""
        values = {
            formal.name: buffer.read(self.locations[value.name].version)
            for position, (formal, value, buffer) in enumerate(
                zip(kernel.inputs, apply.values, own.inputs, strict=True)
            )
            if position not in kernel.shape_only
        }
        return values | {formal.name: own.param(i, self.iteration) for i, formal in enumerate(kernel.params)}

    def slot(self, label: str) -> int:
        """The slot of a kernel's result: 0, or the number of the element in a series that is kept."""
        emit = self.kept.get(label)
        return emit.iterations.rank(self.iteration[emit.var]) if emit else 0

    # Transfers

    def exchange(self, value: Value, step: ExchangeStep) -> None:
        """Sends a value from its producer to the operands and outputs of an exchange step."""
        location = self.locations[value.name]
        for label, operand in step.to:
            self.bring(self.program.nodes[label], operand, location)
        for leaving in self.program.leaving.get(value.name, ()):
            if leaving.output in step.outputs and leaving.producer == location.producer:
                self.leave(leaving, self.label(leaving), location)

    def label(self, leaving: OutputTransfer) -> str:
        """The label of a sent output in the current iteration; several outputs of one name are sent from emits."""
        output = self.outputs[leaving.output, leaving.value]
        if output.at is None:
            return output.name
        emit = self.emits[output.value.name]
        return output.labels[emit.iterations.rank(self.iteration[emit.var])]

    def bring(self, node: KernelInstance, operand: int, location: _Location) -> None:
        """Copies a value to a kernel, if iterations of the enclosing loops execute it."""
        reach = node.reach
        if not all(self.iteration[var] in reach[var] for var in reach if var in self.iteration):
            return
        now = {var: IterationSet.span(t, t) for var, t in self.iteration.items() if var in reach}
        edge = self.program.edge.get((node.label, operand, location.producer))
        if self.shared:
            self.shared.receive(node.label, operand)
        for copy in node.replicas_in({**reach, **now}):
            buffer = self.tiles.at[node.label, copy].inputs[operand]
            buffer.await_version(location.version)
            buffer.make_room(self.batch)
            if edge is None:
                continue
            route = self.tiles.route(edge.table, Region(self.program.produced[edge.producer]), buffer.region)
            buffer.receive(route, self.source(location), self.batch)

    def leave(self, leaving: OutputTransfer, label: str, location: _Location) -> None:
        """Copies an output to the host."""
        buffer = Buffer(Region(whole(leaving.shape, (1,))), label, "the output", [None])
        buffer.await_version(location.version)
        route = self.tiles.route(leaving.table, Region(self.program.produced[leaving.producer]), buffer.region)
        buffer.receive(route, self.source(location), self.batch)
        self.host[label] = buffer.read(location.version)[0]

    def source(self, location: _Location) -> Array:
        """The stack that holds a value; it must still be there."""
        if location.producer in self.inputs:
            return self.inputs[location.producer]
        result = self.tiles.at[location.producer, location.copy].results[location.slot]
        assert result.version == location.version, f"{location} was overwritten before it was copied"
        if result.lost is not None and result.lost.any():
            shard = int(np.argmax(result.lost))
            box = self.program.produced[location.producer][shard]
            tile = int(self.program.placements[location.producer].tiles[location.copy, shard])
            ends = tuple((int(first), int(end)) for first, end in box)
            raise TileReadError(tile, "an exchange", f"the result of {location.producer}", ends)
        return result.stack
