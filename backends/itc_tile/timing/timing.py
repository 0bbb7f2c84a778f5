"""Times of a program in cycles: of one image alone, and of a stream of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from itc_tile.cost.cycles import kernel_cycles
from itc_tile.cost.memory import total
from itc_tile.program.footprint import Memory, footprint, in_flight
from itc_tile.program.program import Pipeline, Program
from itc_tile.tiling.sets import Ints
from itc_tile.timing.alone import Alone
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.schedule import Lifetimes, PipelineLayout, Schedule, replayed, schedule


@dataclass(frozen=True, eq=False)
class Timing:
    """Times of a program in cycles.

    `compute` and `transfer_latencies` are of one execution of each kernel: of its fullest tile, and of its operands.
    `outputs` are the latencies of one image alone in the machine, and `image` is its makespan. `memory` are the bytes
    of the program with the buffers of `schedule`, see `footprint`, and `free_memory` those free on each shard's tile
    with one value in each buffer.
    """

    exchange: Exchange
    compute: Mapping[str, int]
    transfer_latencies: Mapping[str, int]
    outputs: Mapping[str, int]
    image: int
    schedule: Schedule
    pipeline: Pipeline
    memory: Memory
    free_memory: Mapping[str, Ints]

    @property
    def program(self) -> Program:
        return self.exchange.program

    def layout(self) -> PipelineLayout:
        """A layout of the program, for any period."""
        return PipelineLayout(self.exchange, self.compute)

    @property
    def period(self) -> int:
        """Cycles between two images of a stream."""
        return self.schedule.period


@dataclass(frozen=True, eq=False)
class Costs:
    """Cycles of each kernel and transfer, and bytes of one value in each buffer; each computed when first asked for."""

    program: Program

    @cached_property
    def exchange(self) -> Exchange:
        return Exchange(self.program)

    @cached_property
    def compute(self) -> dict[str, int]:
        return compute_cycles(self.program)

    @cached_property
    def resident(self) -> Memory:
        return footprint(replace(self.program, buffers=()))

    @cached_property
    def free_memory(self) -> dict[str, Ints]:
        return free_bytes(self.program, self.resident)

    @cached_property
    def one_at_a_time(self) -> PipelineLayout:
        """The layout of one image at a time, in which all iterations are alike."""
        return PipelineLayout(self.exchange, self.compute)

    @cached_property
    def alone(self) -> Alone:
        """The layout of one image alone."""
        return Alone(self.exchange, self.compute)

    @cached_property
    def outputs(self) -> dict[str, int]:
        """Latency of each output of one image alone."""
        return self.alone.outputs()

    @cached_property
    def shortfall(self) -> dict[str, float]:
        """Kernels whose tiles lack memory for buffers even with one image at a time, and their buffering factors.

        See `Lifetimes.memory_shortfall`. Lifetimes are those of a schedule, for which all iterations are alike.
        """
        layout = self.one_at_a_time
        return Lifetimes(layout).memory_shortfall(layout.one_at_a_time, self.free_memory)


def time_program(program: Program, costs: Costs | None = None) -> Timing:
    """The times of a program that fits on its machine, buffers of one image at a time included."""
    costs = costs or Costs(program)
    assert all((free >= 0).all() for free in costs.free_memory.values()), "the program does not fit"
    outputs = costs.outputs
    pipelined = (
        replayed(costs.exchange, costs.compute, program.pipeline)
        if program.pipeline
        else schedule(PipelineLayout(costs.exchange, costs.compute), costs.free_memory)
    )
    # One image alone may also follow the schedule of the stream, whose buffers are deeper.
    outputs = {label: min(outputs[label], cycles) for label, cycles in pipelined.outputs().items()}
    pipeline = Pipeline(pipelined.period, dict(pipelined.depths))
    return Timing(
        costs.exchange,
        costs.compute,
        costs.exchange.transfer_latencies,
        outputs,
        costs.alone.makespan,
        pipelined,
        pipeline,
        in_flight(program, costs.resident, pipeline),
        costs.free_memory,
    )


def free_bytes(program: Program, memory: Memory) -> dict[str, Ints]:
    """Free bytes on each shard's tile."""
    return {label: program.machine.tile.memory - total(contents) for label, contents in memory.items()}


def image_cycles(program: Program) -> int:
    """Latency of the last output of an image alone in the machine."""
    return max(Costs(program).outputs.values(), default=0)


def compute_cycles(program: Program) -> dict[str, int]:
    """For each kernel, by label, cycles of its fullest tile in one execution."""
    return {
        label: int(kernel_cycles(node.kernel, program.regions[label], program.machine).max())
        for label, node in program.nodes.items()
    }
