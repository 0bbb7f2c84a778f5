"""Memory of a tile by content: a kernel and the regions of its shards in, bytes of each shard out.

A tile keeps its part of the parameters, of each input and of the result: the paper's graph size, and halos. Further:

- The exchange writes leading concatenations and nearest resizes in place; they have no second buffer.
- Pointwise operations work in place, unless the overwritten value is read again, by another operation or, if it is
  loop-invariant, in the next iteration. The result never shares a buffer with an input,
  except for a copy.
- A resize at the end of a network output's head is computed a row at a time while it is sent: two rows, and no full
  map.
- Code, and the exchange's instructions, are estimates of the machine file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from itc.ir.net import Value
from itc.ir.types import DTYPE_BYTES
from itc.ir.uses import data_operands
from itc_tile.cost.work import Regions
from itc_tile.kernels.graph import Residency
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Machine
from itc_tile.tiling.boxes import extent, volume
from itc_tile.tiling.sets import Ints

CODE, PARAMETERS, INPUTS, OUTPUT, SCRATCH, ROWS, EXCHANGE, COPIES = CONTENTS = (
    "code", "parameters", "inputs", "output", "scratch", "rows being sent", "exchange tables", "copies in flight",
)  # fmt: skip
RESIDENT = (CODE, PARAMETERS, EXCHANGE)  # kept for the whole life of a program, whatever its schedule


@dataclass
class Buffer:
    """Memory shared by values with disjoint lifetimes, as large as the largest of them."""

    content: str
    values: list[Value] = field(default_factory=list)

    def bytes(self, regions: Regions) -> Ints:
        return np.asarray(np.max([value_bytes(value, regions) for value in self.values], axis=0))


def value_bytes(value: Value, regions: Regions) -> Ints:
    """Bytes of a value's region on each shard."""
    return volume(regions[value.name]) * DTYPE_BYTES[value.tensor.dtype]


@lru_cache(maxsize=1024)
def buffers(kernel: Kernel, kept: frozenset[str] = frozenset()) -> tuple[Buffer, ...]:
    """The buffers of a kernel; `kept` are inputs (formal names) that must outlive an execution."""
    return tuple(_BufferAssignment(kernel, kept).run())


class _BufferAssignment:
    """Buffer assignment of a kernel's body: every value has a buffer of its own, or reuses that of a dead value."""

    def __init__(self, kernel: Kernel, kept: frozenset[str]) -> None:
        self.kernel = kernel
        self.kept = kept
        self.in_place = kernel.in_place
        self.sent = {apply.result.name for apply in kernel.epilogue}
        self.fixed = self._outliving(kept)
        self.buffers: dict[str, Buffer] = {}
        self.readers: dict[str, list[int]] = {}
        for position, apply in enumerate(kernel.body):
            for value in data_operands(apply):
                self.readers.setdefault(value.name, []).append(position)

    def run(self) -> list[Buffer]:
        if is_one_buffer(self.kernel, self.kept):
            return [Buffer(OUTPUT, [self.kernel.result])]
        for position, value in enumerate(self.kernel.inputs):
            if position not in self.kernel.shape_only and not self._only_moved(value):
                self.new(INPUTS, value)
        for position, apply in enumerate(self.kernel.body):
            self.result(position, apply.result)
        self.output()
        return list({id(buffer): buffer for buffer in self.buffers.values()}.values())

    def new(self, content: str, value: Value) -> None:
        self.buffers[value.name] = Buffer(content, [value])

    def result(self, position: int, result: Value) -> None:
        """Assigns the buffer of an operation's result."""
        if result.name in self.sent:
            return
        if result.name in self.in_place:
            if not self._only_moved(result):
                self.new(INPUTS, result)
            return
        before = self._replaced(position) if self.kernel.body[position].op.pointwise else None
        if before is None:
            self.new(SCRATCH, result)
        else:
            self.buffers[result.name] = self.buffers[before.name]
            self.buffers[result.name].values.append(result)

    def output(self) -> None:
        """Assigns the buffer of the result, distinct from the inputs; with an epilogue, of the epilogue's operand."""
        last = self.kernel.epilogue[0].values[0] if self.kernel.epilogue else self.kernel.result
        buffer = self.buffers.get(last.name)
        if buffer is None or buffer.content == INPUTS:
            self.buffers["result"] = Buffer(OUTPUT, [last])
        else:
            buffer.content = OUTPUT

    def _only_moved(self, value: Value) -> bool:
        """Whether all readers of a value have results that the exchange writes directly."""
        readers = self.readers.get(value.name, [])
        return bool(readers) and all(self.kernel.body[at].result.name in self.in_place for at in readers)

    def _replaced(self, position: int) -> Value | None:
        """The operand whose buffer a pointwise result can reuse, preferably not an input."""
        apply = self.kernel.body[position]
        free = [
            value
            for value in data_operands(apply)
            if self._is_free(value, position) and value.type == apply.result.type
        ]
        return min(free, key=lambda value: self.buffers[value.name].content == INPUTS, default=None)

    def _is_free(self, value: Value, position: int) -> bool:
        """Whether a value is dead behind an operation."""
        kept = value.name not in self.buffers or value.name in self.fixed
        return not kept and self.readers[value.name][-1] == position

    def _outliving(self, kept: frozenset[str]) -> frozenset[str]:
        """`kept`, and values that the exchange assembles from them."""
        fixed = set(kept)
        for apply in self.kernel.body:
            if apply.result.name in self.in_place and any(value.name in fixed for value in data_operands(apply)):
                fixed.add(apply.result.name)
        return frozenset(fixed)


Buffers = list[tuple[str, str, Ints]]
"""The content and the name of each buffer, and its bytes on each shard's tile."""


def kernel_buffers(kernel: Kernel, regions: Regions, residency: Residency, machine: Machine) -> Buffers:
    """The buffers of a kernel with one value in each; transfer tables are added by the program."""
    result = regions[kernel.result.name]
    kinds = len({apply.op.name for apply in kernel.body})
    code = machine.code.base + machine.code.operation * kinds
    out: Buffers = [(CODE, "code", np.full(result.shape[:-2], code, np.int64))]
    for param, count in zip(kernel.params, residency.sets, strict=True):
        out.append((PARAMETERS, param.name, value_bytes(param, regions) * count))
    for buffer in buffers(kernel, residency.inputs):
        count = residency.elements if buffer.content == OUTPUT else 1
        out.append((buffer.content, buffer.values[0].name, buffer.bytes(regions) * count))
    if kernel.epilogue:
        row = extent(result, -1) * extent(result, -3)
        out.append((ROWS, "rows", 2 * row * DTYPE_BYTES[kernel.result.tensor.dtype]))
    return out


def by_content(buffers: Buffers) -> dict[str, Ints]:
    """Bytes of each content on each shard's tile."""
    shape = buffers[0][2].shape
    memory = {content: np.zeros(shape, np.int64) for content in CONTENTS}
    for content, _, bytes in buffers:
        memory[content] += bytes
    return memory


def kernel_memory(kernel: Kernel, regions: Regions, residency: Residency, machine: Machine) -> dict[str, Ints]:
    """Bytes of each content on each shard's tile, with one value in each buffer."""
    return by_content(kernel_buffers(kernel, regions, residency, machine))


def total(memory: Mapping[str, Ints]) -> Ints:
    """Bytes of all contents."""
    return np.asarray(np.sum(list(memory.values()), axis=0))


def is_one_buffer(kernel: Kernel, kept: frozenset[str]) -> bool:
    """Whether a kernel is a copy whose input arrives in the buffer of its result: unless the input is read again."""
    return not kernel.body and not kept


def landing(kernel: Kernel, position: int, kept: frozenset[str]) -> tuple[Value, ...]:
    """The values in whose buffers an input arrives: its own, and what is assembled from it; none for a copy."""
    if is_one_buffer(kernel, kept):
        return ()
    formal = kernel.inputs[position]
    in_place = kernel.in_place
    readers = [apply for apply in kernel.body if formal in data_operands(apply)]
    moved = [apply for apply in readers if apply.result.name in in_place]
    stretched = [apply.result for apply in moved if len(data_operands(apply)) == 1]
    own = [formal] if len(moved) < len(readers) or len(stretched) < len(moved) or not readers else []
    return (*own, *stretched)


def value_slot_bytes(kernel: Kernel, operand: int | None, regions: Regions, residency: Residency) -> Ints:
    """Bytes on each shard of one more value of an operand, or for None of the result with all elements of a series."""
    if operand is not None:
        values = [value_bytes(value, regions) for value in landing(kernel, operand, residency.inputs)]
        return np.asarray(np.sum(values, axis=0) if values else 0)
    out = [buffer.bytes(regions) for buffer in buffers(kernel, residency.inputs) if buffer.content == OUTPUT]
    return np.asarray(np.sum(out, axis=0) * residency.elements)
