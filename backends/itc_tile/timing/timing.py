"""Times of a program in cycles: of one image alone, and of a stream of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from itc_tile.cost.cycles import kernel_cycles
from itc_tile.cost.memory import total
from itc_tile.program.footprint import Memory, footprint, in_flight
from itc_tile.program.program import Pipeline, Program
from itc_tile.tiling.sets import Ints
from itc_tile.timing.alone import Alone
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.schedule import Lifetimes, Schedule, Stream, replayed, schedule


@dataclass(frozen=True, eq=False)
class Timing:
    """Times of a program in cycles.

    `compute` and `windows` are of one run of each kernel: of its fullest tile, and for its operands to arrive.
    `outputs` is when each output is there after an image began alone in the machine, `image` when all of it is over.
    `memory` is what fills the tiles when images follow each other as in `schedule`, see `footprint`, and
    `room` what is free on each shard's tile when they pass one at a time.
    """

    exchange: Exchange
    compute: Mapping[str, int]
    windows: Mapping[str, int]
    outputs: Mapping[str, int]
    image: int
    schedule: Schedule
    pipeline: Pipeline
    memory: Memory
    room: Mapping[str, Ints]

    @property
    def program(self) -> Program:
        return self.exchange.program

    @property
    def period(self) -> int:
        """Cycles between two images of a stream."""
        return self.schedule.period


def time_program(program: Program) -> Timing:
    """The times of a program that fits on its machine, with what waits beside other values."""
    exchange, compute = Exchange(program), compute_cycles(program)
    resident = footprint(replace(program, buffers=()))
    room = free(program, resident)
    assert all((free >= 0).all() for free in room.values()), "the program does not fit"
    alone = Alone(exchange, compute)
    outputs = alone.outputs()
    stream = replayed(exchange, compute, program.pipeline) if program.pipeline else schedule(exchange, compute, room)
    # Nothing keeps one image from passing as those of a stream do, with room for values to wait.
    outputs = {label: min(outputs[label], cycles) for label, cycles in stream.outputs().items()}
    pipeline = Pipeline(stream.period, dict(stream.slots))
    memory = in_flight(program, resident, pipeline)
    return Timing(exchange, compute, exchange.windows, outputs, alone.span, stream, pipeline, memory, room)


def waiting(program: Program, memory: Memory) -> dict[str, float]:
    """Kernels whose tiles lack room for values that wait beside the next ones even if images pass one at a time.

    How much they need is in multiples of what they hold, see `Lifetimes.wanting`. Values are counted as a schedule
    counts them, for which all iterations are alike and both branches of a `when` run.
    """
    stream = Stream(Exchange(program), compute_cycles(program))
    return Lifetimes(stream).wanting(stream.one_at_a_time, free(program, memory))


def free(program: Program, memory: Memory) -> dict[str, Ints]:
    """Bytes on each shard's tile that nothing fills."""
    return {label: program.machine.tile.memory - total(contents) for label, contents in memory.items()}


def image_cycles(program: Program) -> int:
    """When the last output of an image alone in the machine is there."""
    return max(Alone(Exchange(program), compute_cycles(program)).outputs().values(), default=0)


def compute_cycles(program: Program) -> dict[str, int]:
    """For each kernel, by label, cycles of the fullest of its tiles in one run."""
    return {
        label: int(kernel_cycles(node.kernel, program.regions[label], program.machine).max())
        for label, node in program.nodes.items()
    }
