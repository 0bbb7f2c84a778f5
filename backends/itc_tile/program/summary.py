"""A summary of a program for people: kernels with the fullest of their tiles, then the rolled net with its exchanges.

The text does not grow with the iterations of a loop. A line `exchange %x: a -> b.x0` stands where `%x` becomes
available, or under temporal mapping in front of its reader. Where a value may come from several places, there is a line
for each, and every time one of them happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from itc.ir.net import Apply, Body, Emit, Loop, Statement, Value, When
from itc.ir.printer import INDENT
from itc_tile.cost.memory import total
from itc_tile.kernels.instances import KernelInstance
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.footprint import Memory, footprint
from itc_tile.program.program import ParameterTransfer, Program, TransferTable
from itc_tile.program.steps import ExchangeStep


def summary(program: Program, tables: bool = False) -> str:
    """The text of `program`, ending in a newline; with `tables` every single copy has a line."""
    return "\n".join(_Printer(program, tables).program()) + "\n"


class _Printer:
    """Walks the net beside the tables of the program."""

    def __init__(self, program: Program, tables: bool) -> None:
        self.of = program
        self.tables = tables

    def program(self) -> Iterator[str]:
        memory = footprint(self.of)
        placed = [placement.tiles.reshape(-1) for placement in self.of.placements.values()]
        tiles = len(np.unique(np.concatenate(placed))) if placed else 0
        yield f"program @{self.of.net.name} on {self.of.machine.name} {{"
        schedule = f", one at a time, batches of {self.of.supersteps.batch}" if self.of.supersteps else ""
        yield f"{INDENT}// {len(self.of.nodes)} kernels on {tiles} of {self.of.machine.tiles} tiles{schedule}"
        for node in self.of.nodes.values():
            yield from _indented(self.kernel(node, memory))
        yield ""
        if self.of.supersteps:
            yield from _indented(self.statements(self.of.steps))
        else:
            yield from _indented(self.available(self.of.net.inputs))
            yield from _indented(self.statements(self.of.net.body))
        yield "}"

    def kernel(self, node: KernelInstance, memory: Memory) -> Iterator[str]:
        """How a kernel is placed, and what fills the fullest of its tiles."""
        placement = self.of.placements[node.label]
        contents, totals = memory[node.label], total(memory[node.label])
        fullest = int(totals.argmax())
        parts = ", ".join(f"{content} {bytes[fullest]}" for content, bytes in contents.items() if bytes[fullest])
        ops = ", ".join(apply.op.name for apply in node.kernel.body) or "copy"
        copies = f"{placement.replicas} copies on " if placement.replicas > 1 else ""
        yield f"kernel {node.label}: {ops}"
        yield f"{INDENT}{copies}{placement.shards} tiles, {placement.split} of {node.kernel.result.type}"
        yield f"{INDENT}fullest tile {totals[fullest]} B: {parts}"
        for load in self.of.loads:
            if load.consumer == node.label:
                yield from _indented(self.load(load, node))

    def load(self, load: ParameterTransfer, node: KernelInstance) -> Iterator[str]:
        kept = node.resident_sets(load.position)
        sets = f", each of {kept} sets" if kept > 1 else ""
        formal = node.kernel.params[load.position].name
        yield f"load @{load.key} -> {node.label}.{formal}, {_summary(load.table)}{sets}"
        yield from _indented(self.rows(load.table))

    def statements(self, statements: tuple[Statement, ...]) -> Iterator[str]:
        for statement in statements:
            match statement:
                case Apply(op=ExchangeStep() as step):
                    yield from self.exchange(statement.values[0], step)
                case Apply():
                    yield f"{_names(statement.results)} = {self.call(statement)}"
                    yield from self.available(statement.results)
                case Loop():
                    yield from self.loop(statement)
                case When():
                    yield from self.when(statement)
                case Emit():
                    yield f"emit when %{statement.var} in {statement.iterations} {{"
                    yield from self.body(statement.body)
                    yield "}"

    def call(self, apply: Apply) -> str:
        label = apply.op.label if isinstance(apply.op, Kernel) else apply.op.name
        return f"{label}({', '.join(f'%{value.name}' for value in apply.values)})"

    def body(self, body: Body) -> Iterator[str]:
        yield from _indented(self.statements(body.statements))
        yield f"{INDENT}yield {_names(body.yields)}".rstrip()

    def loop(self, loop: Loop) -> Iterator[str]:
        each = ", ".join(f"%{e.inner.name} = %{e.series.name}" for e in loop.each)
        carry = ", ".join(f"%{c.inner.name} = %{c.init.name}" for c in loop.carries)
        head = f"loop %{loop.var} in 1..{loop.count}" + (f" each ({each})" if each else "") + f" carry ({carry})"
        yield (f"{_names(loop.results)} = " if loop.results else "") + head + " {"
        yield from _indented(self.available([c.inner for c in loop.carries] + [e.inner for e in loop.each]))
        yield from self.body(loop.body)
        yield "}"
        yield from self.available(loop.carry_results)

    def when(self, when: When) -> Iterator[str]:
        yield f"{_names(when.results)} = when %{when.var} in {when.iterations} {{"
        yield from self.body(when.body)
        yield "} else {"
        yield from self.body(when.otherwise)
        yield "}"
        yield from self.available(when.results)

    def available(self, values: Iterable[Value]) -> Iterator[str]:
        for value in () if self.of.supersteps else values:
            yield from self.exchange(value)

    def exchange(self, value: Value, step: ExchangeStep | None = None) -> Iterator[str]:
        """The copies that run when `value` is available, or those of one exchange step."""
        inputs = {value.name for value in self.of.net.inputs}
        for edge in self.of.outgoing.get(value.name, ()):
            if step and (edge.consumer, edge.operand) not in step.to:
                continue
            producer = f"host.{edge.producer}" if edge.producer in inputs else edge.producer
            target = f"{edge.consumer}.{self.of.nodes[edge.consumer].kernel.inputs[edge.operand].name}"
            repeated = max(0, int(edge.table.bytes.sum()) - value.type.bytes)
            extra = f", {repeated} B repeated" if repeated else ""
            yield f"exchange %{value.name}: {producer} -> {target}, {_summary(edge.table)}{extra}"
            yield from _indented(self.rows(edge.table))
        for leaving in self.of.leaving.get(value.name, ()):
            if step and leaving.output not in step.outputs:
                continue
            yield f"exchange %{value.name}: {leaving.producer} -> host.{leaving.output}, {_summary(leaving.table)}"
            yield from _indented(self.rows(leaving.table))

    def rows(self, copies: TransferTable) -> Iterator[str]:
        if not self.tables:
            return
        for source, target, box in zip(copies.source, copies.target, copies.boxes, strict=True):
            yield f"{source} -> {target}: [{', '.join(f'{first}..{end - 1}' for first, end in box)}]"


def _summary(copies: TransferTable) -> str:
    return f"{len(copies)} copies, {int(copies.bytes.sum())} B"


def _names(values: Iterable[Value]) -> str:
    return ", ".join(f"%{value.name}" for value in values)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (INDENT + line for line in lines)
