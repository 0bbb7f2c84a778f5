"""Bytes and elementary operations of simulating a program, estimated from its boxes before any stack is made.

A stack has the size of its largest box for every shard, so a window of a kilometre takes as much on every tile. All
stores of a program exist at once; beside them are the stacks of one operation, and the flags of one store whose
elements are looked at for the first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from itc.analysis.workload import Workload, operation_count
from itc.ir.net import Apply
from itc.ir.op import RUN
from itc_tile.kernels.instances import KernelInstance
from itc_tile.ops.record import Evaluation
from itc_tile.program.program import Program
from itc_tile.simulate.shard_values import ShardKernel
from itc_tile.tiling.boxes import Boxes
from itc_tile.tiling.moves import largest

#: Elementary operations that a run of a kernel counts as: about a millisecond of copies and bookkeeping.
KERNEL_RUN = 1_000_000
#: Bytes of an element of a store.
STORED = 4


def workload(program: Program, kernels: Mapping[str, ShardKernel], batch: int) -> Workload:
    """The estimate for inputs of `batch` samples."""
    stored = sum(param.bytes for param in program.net.params)
    bytes, operations, most = 0, 0, 0
    largest_at: Apply | None = None
    longest_at: Apply | None = None
    for label, node in program.nodes.items():
        stored += _stored(program, node, label, batch)
        operations += node.executions * KERNEL_RUN
        for step in kernels[label].steps:
            taken = batch * _temporary(step.apply, step.evaluation)
            count = node.executions * batch * _operations(step.apply, step.evaluation)
            operations += count
            if taken > bytes:
                bytes, largest_at = taken, step.apply
            if count > most:
                most, longest_at = count, step.apply
    return Workload(stored + bytes, operations, largest_at, longest_at)


def _elements(boxes: Boxes) -> int:
    """Elements of a stack of these boxes."""
    return len(boxes) * prod(int(n) for n in largest(boxes))


def _stored(program: Program, node: KernelInstance, label: str, batch: int) -> int:
    """Bytes of the stores of all copies of a kernel: operands, parameters with their sets, and a result."""
    regions, kernel = program.regions[label], node.kernel
    values = sum(_elements(regions[formal.name]) for formal in (*kernel.inputs, kernel.result)) * batch
    params = sum(_elements(regions[formal.name]) for formal in kernel.params)
    return node.replicas * STORED * (values + params)


def _temporary(apply: Apply, evaluation: Evaluation) -> int:
    """Bytes for one sample: operands in their frames, and windows of a convolution or, on one shard, the whole."""
    framed = 4 * (2 * sum(map(_elements, evaluation.frames)) + evaluation.unfolded)
    if not evaluation.whole:
        return framed
    types, result = [value.tensor for value in apply.values], apply.result.tensor
    return framed + sum(type.bytes for type in (*types, result)) + apply.op.temporary_bytes(types, [result])


def _operations(apply: Apply, evaluation: Evaluation) -> int:
    """Elementary operations of one run: for each shard that computes the whole, or for what the frames hold."""
    types, shards = [value.tensor for value in apply.values], len(evaluation.frames[0]) if evaluation.frames else 1
    once = operation_count(apply.op, types, [apply.result.tensor])
    if evaluation.whole:
        return shards * (RUN + once)
    return once + evaluation.taps * RUN // 2 + sum(map(_elements, evaluation.frames))
