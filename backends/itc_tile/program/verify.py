"""Verifies a program: what it states must suffice to run it; each rule reports under a code of its own.

E0540 placement, E0541 reads that no transfer covers, E0542 writes that overlap, E0543 transfers of elements that their
source does not hold, E0544 order of steps, E0545 a tile that is overfull, E0546 buffers that overlap, E0547 outputs,
E0548 parameters, E0549 pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from math import prod

import numpy as np

from itc.diagnostics import CompileError, Diagnostic
from itc.ir.types import TensorType
from itc_tile.cost.memory import CONTENTS, total
from itc_tile.program.footprint import buffer_sizes, footprint
from itc_tile.program.program import OUT, Placement, Program, Shards, TransferTable, sent_value
from itc_tile.program.steps import ExchangeStep, exchanges, with_exchanges
from itc_tile.program.supersteps.rules import disjoint_in_time, grouped, sent_before_readers, within_shared_memory
from itc_tile.tiling.boxes import volume
from itc_tile.tiling.region import Region, contained

#: Faults of one rule that are reported, at most.
MOST = 20
Rule = Callable[[Program], Iterator[str]]


def verify(program: Program) -> Program:
    """Returns the program if it can run. Raises CompileError with a diagnostic for each fault.

    Rules behind placement take for granted that it holds.
    """
    for rules in ((("E0540", placed), ("E0540", named)), RULES):
        faults = [fault for code, rule in rules for fault in _faults(code, rule, program)]
        if faults:
            raise CompileError(faults)
    return program


def _faults(code: str, rule: Rule, program: Program) -> list[Diagnostic]:
    return [Diagnostic(code, text) for text in islice(rule(program), MOST)]


def placed(program: Program) -> Iterator[str]:
    """Every kernel has replicas, shards and tiles of its own on the machine."""
    if set(program.placements) != set(program.nodes):
        names = sorted(set(program.placements) ^ set(program.nodes))
        yield f"kernels that are placed and kernels that run differ: {', '.join(names[:5])}"
        return
    for label, node in program.nodes.items():
        placement, rank = program.placements[label], len(node.kernel.result.tensor.shape)
        replicas = node.replicas if program.supersteps is None else placement.replicas
        if placement.tiles.shape != (replicas, placement.split.shards):
            yield f"`{label}` has {node.replicas} replicas of {placement.split.shards} shards, not tiles for these"
        if not _fits(placement, rank):
            yield f"the result of `{label}` has {rank} axes, which cannot be cut {placement.split}"
    tiles = np.concatenate([p.tiles.reshape(-1) for p in program.placements.values()] or [np.zeros(0, np.int64)])
    if tiles.size and (tiles.min() < 0 or tiles.max() >= program.machine.tiles):
        yield f"{program.machine.name} has tiles 0 to {program.machine.tiles - 1}"
    elif program.supersteps:
        yield from grouped(program)
    elif len(np.unique(tiles)) < len(tiles):
        yield "two shards are on one tile"


def _fits(placement: Placement, rank: int) -> bool:
    split = placement.split
    return rank >= 3 or (split.columns == 1 and (rank == 2 or (split.rows == 1 and (rank == 1 or split.channels == 1))))


def named(program: Program) -> Iterator[str]:
    """Transfers and exchange steps name kernels, operands, parameters, outputs and shards that exist."""
    if set(program.placements) != set(program.nodes):
        return
    for rule in (_operands_named, _outputs_named, _parameters_named, _steps_named):
        yield from rule(program)


def _operands_named(program: Program) -> Iterator[str]:
    for edge in program.edges:
        node = program.nodes.get(edge.consumer)
        if node is None or not _is_producer(program, edge.producer) or edge.operand >= len(node.kernel.inputs):
            yield f"a transfer of %{edge.value} to operand {edge.operand} of `{edge.consumer}`, which does not exist"
        else:
            type = node.kernel.inputs[edge.operand].tensor
            yield from _table(program, edge.table, edge.producer, edge.consumer, type)


def _outputs_named(program: Program) -> Iterator[str]:
    outputs = {output.name for output in program.net.outputs}
    for each in program.exits:
        if each.output not in outputs or not _is_producer(program, each.producer):
            yield f"a transfer to output `{each.output}`, which does not exist"
        else:
            yield from _table(program, each.table, each.producer, "", TensorType("f32", each.shape))


def _parameters_named(program: Program) -> Iterator[str]:
    for load in program.loads:
        node = program.nodes.get(load.consumer)
        if node is None or load.position >= len(node.refs) or node.refs[load.position].key != load.key:
            yield f"parameter {load.position} of `{load.consumer}` is not @{load.key}"
        else:
            yield from _table(program, load.table, "", load.consumer, node.kernel.params[load.position].tensor)


def _steps_named(program: Program) -> Iterator[str]:
    outputs = {output.name for output in program.net.outputs}
    for _, step in exchanges(program.steps):
        for label, operand in step.to:
            if label not in program.nodes or not 0 <= operand < len(program.nodes[label].kernel.inputs):
                yield f"an exchange to operand {operand} of `{label}`, which does not exist"
        if not set(step.outputs) <= outputs:
            yield f"an exchange to {', '.join(sorted(set(step.outputs) - outputs)[:5])}, which are no outputs"
    if {buffer.kernel for buffer in program.buffers} - set(program.nodes):
        yield "a buffer of a kernel that does not exist"
    for buffer in program.buffers:
        shards = program.placements[buffer.kernel].shards if buffer.kernel in program.placements else -1
        if buffer.content not in CONTENTS or not len(buffer.address) == len(buffer.bytes) == shards:
            yield f"a buffer {buffer.content} of `{buffer.kernel}` is not one of its {shards} shards"


def _is_producer(program: Program, name: str) -> bool:
    return name in program.nodes or any(value.name == name for value in program.net.inputs)


def _table(program: Program, table: TransferTable, source: str, target: str, type: TensorType) -> Iterator[str]:
    """Shards of a table exist, and its regions are parts of the value."""
    for name, shards in ((source, table.source), (target, table.target)):
        count = program.placements[name].shards if name in program.placements else 1
        if shards.size and (shards.min() < 0 or shards.max() >= count):
            yield f"a row of a transfer between `{source}` and `{target}` names a shard that does not exist"
            return
    shape, hull = type.shape, table.region.hull
    if hull.shape[1:] != (len(shape), 2) or (hull.size and (hull[..., 1].max(axis=0) > np.array(shape)).any()):
        yield f"a region of a transfer between `{source}` and `{target}` leaves the value"


def covered(program: Program) -> Iterator[str]:
    """Every element that a kernel reads comes by a transfer, from each producer that reaches the operand."""
    for value, group in program.graph.readers.items():
        for reader in group:
            node, formal = reader.instance, reader.instance.kernel.inputs[reader.operand]
            needed = program.required[node.label][formal.name]
            for producer in program.graph.reaching.producers(value, node.reach):
                edge = program.edge.get((node.label, reader.operand, producer))
                if _received(edge.table if edge else None, needed) < int(volume(needed.boxes).sum()):
                    yield f"operand {reader.operand} of `{node.label}` is not all sent by `{producer}`"


def _received(table: TransferTable | None, needed: Region) -> int:
    """Elements of `needed` that the rows of a table bring; rows are disjoint, see `disjoint`."""
    if table is None or not len(table):
        return 0
    return int(volume(table.region.boxes)[contained(table.region, needed.take(table.target))].sum())


def disjoint(program: Program) -> Iterator[str]:
    """No element of an operand, output or parameter is written twice by one transfer."""
    for name, table, shape in _targets(program):
        if _overlap(table, shape):
            yield f"two rows of a transfer write one element of {name}"


def _targets(program: Program) -> Iterator[tuple[str, TransferTable, tuple[int, ...]]]:
    for edge in program.edges:
        shape = program.nodes[edge.consumer].kernel.inputs[edge.operand].tensor.shape
        yield f"operand {edge.operand} of `{edge.consumer}`", edge.table, shape
    for each in program.exits:
        yield f"output `{each.output}`", each.table, each.shape
    for load in program.loads:
        shape = program.nodes[load.consumer].kernel.params[load.position].tensor.shape
        yield f"parameter @{load.key} of `{load.consumer}`", load.table, shape


def _overlap(table: TransferTable, shape: tuple[int, ...]) -> bool:
    """Whether two rows to one shard have an element in common: rows are compared within each target."""
    order = np.argsort(table.target, kind="stable")
    target, hull = table.target[order], table.region.hull[order]
    for distance in range(1, _most_rows(target)):
        same = target[distance:] == target[:-distance]
        first, second = hull[distance:], hull[:-distance]
        meets = (np.maximum(first[..., 0], second[..., 0]) < np.minimum(first[..., 1], second[..., 1])).all(axis=-1)
        for at in np.flatnonzero(same & meets):
            rows = order[[at, at + distance]]
            sets = [table.region.take(rows[i : i + 1]).positions(0) for i in (0, 1)]
            if all(len(np.intersect1d(a, b)) for a, b in zip(*sets, strict=True)) or not shape:
                return True
    return False


def _most_rows(target: Shards) -> int:
    return int(np.bincount(target).max(initial=0)) if len(target) else 0


def held_by_source(program: Program) -> Iterator[str]:
    """A transfer takes elements from shards that produced them."""
    for name, producer, table in _sources(program):
        boxes = program.produced[producer][table.source]
        hull = table.region.hull
        if ((hull[..., 0] < boxes[..., 0]) | (hull[..., 1] > boxes[..., 1])).any():
            yield f"a transfer to {name} takes elements that the shard of `{producer}` has not"


def _sources(program: Program) -> Iterator[tuple[str, str, TransferTable]]:
    for edge in program.edges:
        yield f"operand {edge.operand} of `{edge.consumer}`", edge.producer, edge.table
    for each in program.exits:
        yield f"output `{each.output}`", each.producer, each.table


def ordered(program: Program) -> Iterator[str]:
    """Every value has its one exchange step directly behind its definition, to all that read it.

    Supersteps have theirs in front of the reader.
    """
    if program.supersteps:
        yield from sent_before_readers(program)
        return
    wanted: dict[str, tuple[set[tuple[str, int]], set[str]]] = {}
    for value, group in program.graph.readers.items():
        wanted[value] = ({(reader.instance.label, reader.operand) for reader in group}, set())
    for each in program.exits:
        wanted.setdefault(each.value, (set(), set()))[1].add(each.output)
    stated = {value.name: step for value, step in exchanges(program.steps)}
    for value, (to, outputs) in wanted.items():
        step = stated.get(value, ExchangeStep())
        for label, operand in sorted(to - set(step.to)):
            yield f"%{value} is read by operand {operand} of `{label}`, and no step sends it there"
        for output in sorted(outputs - set(step.outputs)):
            yield f"%{value} is output `{output}`, and no step sends it there"
    if with_exchanges(program.net, stated) != program.steps:
        yield "an exchange is not directly behind the definition of its value"


def within_memory(program: Program) -> Iterator[str]:
    """The buffers of a tile are no more than its memory, and each is as large as the values that it holds."""
    memory = program.machine.tile.memory
    if program.supersteps:
        yield from within_shared_memory(program)
    for label, contents in ({} if program.supersteps else footprint(program)).items():
        most = int(total(contents).max(initial=0))
        if most > memory:
            yield f"a tile of `{label}` holds {most:,} B of {memory:,} B"
    if program.buffers:
        yield from _sizes(program)


def _sizes(program: Program) -> Iterator[str]:
    depths = program.pipeline.depths if program.pipeline else {}
    wanted = {
        (label, content, name): bytes
        for label, own in buffer_sizes(program, depths).items()
        for content, name, bytes in own
        if bytes.any()
    }
    stated = {(buffer.kernel, buffer.content, buffer.name): buffer.bytes for buffer in program.buffers}
    for (label, content, name), bytes in wanted.items():
        if (stated.get((label, content, name), np.zeros_like(bytes)) < bytes).any():
            yield f"the buffer {content} `{name}` of `{label}` is smaller than its values"


def apart(program: Program) -> Iterator[str]:
    """No two buffers of a tile share an address, and all are within its memory.

    In supersteps two may, if they are never in use at once.
    """
    if program.supersteps:
        yield from disjoint_in_time(program)
        return
    groups: dict[str, list[tuple[Shards, Shards]]] = {}
    for buffer in program.buffers:
        groups.setdefault(buffer.kernel, []).append((buffer.address, buffer.bytes))
    for label, group in groups.items():
        first = np.stack([address for address, _ in group])
        end = first + np.stack([bytes for _, bytes in group])
        order = np.argsort(first, axis=0, kind="stable")
        first, end = np.take_along_axis(first, order, 0), np.take_along_axis(end, order, 0)
        if (first < 0).any() or (np.maximum.accumulate(end, axis=0)[:-1] > first[1:]).any():
            yield f"two buffers of a tile of `{label}` overlap"
        elif (end > program.machine.tile.memory).any():
            yield f"a buffer of `{label}` ends behind the memory of its tile"


def outputs_complete(program: Program) -> Iterator[str]:
    """Every output comes whole to the host, from each of its producers."""
    sent = {(each.output, each.value, each.producer): each for each in program.exits}
    for output in program.net.outputs:
        value = sent_value(program.net, output)
        for producer in program.graph.reaching.producers(value.name, {}):
            each = sent.get((output.name, value.name, producer))
            if each is None or int(each.table.bytes.sum()) < prod(value.tensor.shape) * each.table.element_bytes:
                yield f"output `{output.name}` is not all sent by `{producer}`"


def parameters_loaded(program: Program) -> Iterator[str]:
    """Every shard is loaded with its part of each parameter."""
    loads = {(load.consumer, load.position): load for load in program.loads}
    for label, node in program.nodes.items():
        for position, formal in enumerate(node.kernel.params):
            load = loads.get((label, position))
            needed = program.required[label][formal.name]
            if _received(load.table if load else None, needed) < int(volume(needed.boxes).sum()):
                yield f"parameter {position} of `{label}` is not all loaded"


def pipelined(program: Program) -> Iterator[str]:
    """A period is at least a cycle; buffers that exist hold at least one value. Supersteps have no pipeline."""
    if program.pipeline is None:
        return
    if program.supersteps:
        yield "a program of supersteps has no pipeline"
    if program.pipeline.period < 1:
        yield "a period has at least one cycle"
    for (label, position), depth in program.pipeline.depths.items():
        node = program.nodes.get(label)
        if node is None or not (position == OUT or 0 <= position < len(node.kernel.inputs)) or depth < 1:
            yield f"buffer {position} of `{label}` with {depth} values does not exist"


RULES: tuple[tuple[str, Rule], ...] = (
    ("E0541", covered),
    ("E0542", disjoint),
    ("E0543", held_by_source),
    ("E0544", ordered),
    ("E0545", within_memory),
    ("E0546", apart),
    ("E0547", outputs_complete),
    ("E0548", parameters_loaded),
    ("E0549", pipelined),
)
