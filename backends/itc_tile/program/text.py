"""The exact text of a program; `itc_tile.program.parse` reads it back to an equal program.

Lines in this order: the machine, for a bulk-synchronous program its supersteps, each kernel with its body and tiles,
the rolled steps, transfers, buffers, pipeline.
Arrays of integers are runs and ranges, see `itc_tile.program.arrays`. The text does not grow with loop counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from itc.ir.net import Net, Output, Value
from itc.ir.printer import print_net
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.arrays import array_text
from itc_tile.program.program import Buffer, Pipeline, Placement, Program, Supersteps, TransferTable

VERSION = 1


def print_program(program: Program) -> str:
    """The text of `program`, ending in a newline."""
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Program) -> Iterator[str]:
    yield f"program {VERSION}"
    machine = program.machine.model_dump(mode="json", by_alias=True)
    yield f"machine {json.dumps(machine, separators=(',', ':'), sort_keys=True)}"
    if program.supersteps:
        yield from _supersteps(program.supersteps)
    for label, node in program.nodes.items():
        yield from _kernel(node.kernel, program.placements[label])
    yield "steps"
    yield from print_net(replace(program.net, body=program.steps)).splitlines()
    for edge in program.edges:
        yield f"operand {_name(edge.consumer)} {edge.operand} %{edge.value} from {_name(edge.producer)}"
        yield from _table(edge.table)
    for each in program.exits:
        shape = array_text(np.array(each.shape, np.int64))
        yield f"output {_name(each.output)} %{each.value} from {_name(each.producer)} shape {shape}".rstrip()
        yield from _table(each.table)
    for load in program.loads:
        yield f"parameter {_name(load.consumer)} {load.position} @{load.key}"
        yield from _table(load.table)
    for buffer in program.buffers:
        yield from _buffer(buffer)
    if program.pipeline:
        yield from _pipeline(program.pipeline)


def _kernel(kernel: Kernel, placement: Placement) -> Iterator[str]:
    split = placement.split
    yield f"kernel {_name(kernel.label)} parameters {len(kernel.params)} of {len(kernel.inputs) + len(kernel.params)}"
    yield f"  partition {split.channels} x {split.rows} x {split.columns}"
    yield f"  replicas {placement.replicas}"
    yield f"  tiles {array_text(placement.tiles)}"
    yield from (f"  {line}" for line in print_net(body_net(kernel)).splitlines())


def body_net(kernel: Kernel) -> Net:
    """The body of a kernel as a net of its formal values: inputs, parameters, then those whose shape alone is read."""
    formals = (*kernel.inputs, *kernel.params)
    known = {value.name for value in formals}
    results = {apply.result.name for apply in kernel.body}
    operands = (value for apply in kernel.body for value in apply.values)
    shaped: dict[str, Value] = {v.name: v for v in operands if v.name not in known and v.name not in results}
    return Net("body", (*formals, *shaped.values()), (), kernel.body, (Output("result", kernel.result),))


def _table(table: TransferTable) -> Iterator[str]:
    yield f"  bytes {table.element_bytes}"
    yield f"  source {array_text(table.source)}".rstrip()
    yield f"  target {array_text(table.target)}".rstrip()
    for axis in range(table.region.boxes.shape[-2]):
        yield f"  first {axis} {array_text(table.region.boxes[:, axis, 0])}".rstrip()
        yield f"  end {axis} {array_text(table.region.boxes[:, axis, 1])}".rstrip()
    for axis, positions in sorted(table.region.tables.items()):
        yield f"  positions {axis} {array_text(positions)}".rstrip()


def _buffer(buffer: Buffer) -> Iterator[str]:
    yield f"buffer {_name(buffer.kernel)} {_name(buffer.content)} {_name(buffer.name)}"
    yield f"  address {array_text(buffer.address)}"
    yield f"  bytes {array_text(buffer.bytes)}"


def _pipeline(pipeline: Pipeline) -> Iterator[str]:
    yield f"pipeline {pipeline.period}"
    for (label, position), depth in pipeline.depths.items():
        yield f"  depth {_name(label)} {position} {depth}"


def _supersteps(supersteps: Supersteps) -> Iterator[str]:
    yield f"supersteps of {supersteps.batch}"
    for label, operand in supersteps.kept:
        yield f"  kept {_name(label)} {operand}"


def _name(text: str) -> str:
    """A name in quotes."""
    return json.dumps(text)
