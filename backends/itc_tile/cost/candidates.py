"""Candidate splits of a kernel, each with the tiles, cycles and memory of its fullest tile.

Every split is estimated by one shard: the middle one of the largest part along each axis, with a halo on both
sides. All candidates of a kernel are evaluated at once, by the same functions as the shards of a program.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from itc.ir.types import DTYPE_BYTES
from itc_tile.cost.cycles import kernel_cycles
from itc_tile.cost.memory import INPUTS, OUTPUT, PARAMETERS, kernel_memory, total, value_bytes
from itc_tile.cost.traffic import received_elements
from itc_tile.cost.work import Regions
from itc_tile.kernels.graph import Residency
from itc_tile.kernels.kernel import Kernel
from itc_tile.kernels.regions import granularity, needed
from itc_tile.machine.model import Machine
from itc_tile.tiling.partition import Split, partition
from itc_tile.tiling.sets import Ints

MOST_SHARDS = 2048  # of one kernel: transfer tables take time and memory with the square


@dataclass(frozen=True, eq=False)
class Candidates:
    """Splits [n, 3] by ascending number of shards, each with figures of its fullest tile.

    `compute`, `receive` and `send` are cycles of one execution, `memory` all bytes, `buffered` the bytes of the inputs
    and the result, and `parameters` those of the parameters.
    """

    splits: Ints
    shards: Ints
    compute: Ints
    receive: Ints
    send: Ints
    memory: Ints
    buffered: Ints
    parameters: Ints

    def __len__(self) -> int:
        return len(self.splits)

    def split(self, index: int) -> Split:
        channels, rows, columns = self.splits[index].tolist()
        return Split(channels, rows, columns)

    def take(self, chosen: Ints) -> Candidates:
        return Candidates(
            self.splits[chosen],
            self.shards[chosen],
            self.compute[chosen],
            self.receive[chosen],
            self.send[chosen],
            self.memory[chosen],
            self.buffered[chosen],
            self.parameters[chosen],
        )


def candidates(kernel: Kernel, residency: Residency, machine: Machine) -> Candidates:
    """All splits that the machine's tiles allow; of splits with equal parts, one."""
    axes = _axes(kernel)
    splits = _grid([parts for parts, _ in axes], min(machine.tiles, MOST_SHARDS))
    worst = [chosen[splits[:, axis]] for axis, (_, chosen) in enumerate(axes)]
    boxes = np.stack(worst, axis=1) if worst else np.zeros((len(splits), 0, 2), np.int64)
    regions = needed(kernel, boxes)
    compute = kernel_cycles(kernel, regions, machine)
    memory = kernel_memory(kernel, regions, residency, machine)
    receive, send = receive_cycles(kernel, regions, machine), send_cycles(kernel, regions, machine)
    bytes, buffered = total(memory), memory[INPUTS] + memory[OUTPUT]
    columns, shards = _split_columns(splits), np.prod(splits, axis=1)
    found = Candidates(columns, shards, compute, receive, send, bytes, buffered, memory[PARAMETERS])
    return found.take(np.argsort(found.shards, kind="stable"))


def receive_cycles(kernel: Kernel, regions: Regions, machine: Machine) -> Ints:
    """Cycles in which a shard's tile receives its inputs at the rate of its port, without distance and contention.

    A shard that reads nothing, or padding alone, takes part in no exchange.
    """
    amounts = np.zeros(regions[kernel.result.name].shape[:-2], np.int64)
    for value in kernel.inputs:
        amounts += received_elements(kernel, value.name, regions[value.name]) * DTYPE_BYTES[value.tensor.dtype]
    exchange = machine.exchange
    return np.where(amounts > 0, exchange.sync + exchange.latency - (-amounts // exchange.bandwidth), 0)


def send_cycles(kernel: Kernel, regions: Regions, machine: Machine) -> Ints:
    """Cycles in which a shard's tile sends its result once."""
    return -(-value_bytes(kernel.result, regions) // machine.exchange.bandwidth)


def _axes(kernel: Kernel) -> list[tuple[list[int], Ints]]:
    """For each axis of the result the numbers of parts to consider, and by that number the largest part [2]."""
    shape = kernel.result.tensor.shape
    channel_axis = len(shape) - (3 if len(shape) >= 3 else 1)
    splittable = range(len(shape) - min(len(shape), 3), len(shape))
    return [
        _axis(size, granularity(kernel) if axis == channel_axis else 1, axis in splittable)
        for axis, size in enumerate(shape)
    ]


@lru_cache(maxsize=1024)
def _axis(size: int, step: int, splittable: bool) -> tuple[list[int], Ints]:
    units = -(-size // step)
    most = min(units, MOST_SHARDS) if splittable else 1
    parts = [count for count in range(1, most + 1) if -(-units // -(-units // count)) == count]
    worst = np.zeros((parts[-1] + 1, 2), np.int64)
    for count in parts:
        boxes = partition((size,), Split(channels=count), step)[:, 0]
        length = boxes[:, 1] - boxes[:, 0]
        largest = np.flatnonzero(length == length.max())
        worst[count] = boxes[largest[np.argmin(np.abs(largest - (count - 1) / 2))]]
    return parts, worst


def _grid(parts: list[list[int]], most: int) -> Ints:
    """All combinations of parts, one column an axis, whose product is at most `most`."""
    combined = np.ones((1, 0), np.int64)
    for options in parts:
        left = np.repeat(combined, len(options), axis=0)
        right = np.tile(np.array(options, np.int64), len(combined))
        combined = np.column_stack([left, right])
        combined = combined[np.prod(combined, axis=1) <= most]
    return combined


def _split_columns(splits: Ints) -> Ints:
    """Parts by axis as `Split` names them: channels, rows, columns."""
    count, rank = splits.shape
    ones = np.ones((count, 1), np.int64)
    if rank == 0:
        return np.ones((count, 3), np.int64)
    if rank == 1:
        return np.hstack([splits, ones, ones])
    if rank == 2:
        return np.hstack([splits[:, ::-1], ones])
    return splits[:, -3:]
