"""Values of any operation on shards by its reference: every shard computes the whole operation and keeps its box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from itc.ir.op import Array
from itc.ir.types import NUMPY_NAMES
from itc_tile.ops.record import Evaluation, ShardedOp, Stacks
from itc_tile.tiling.moves import largest

Selection = tuple[Any, ...]


def whole_values(shards: ShardedOp) -> Evaluation:
    """Each shard puts its boxes into whole operands of zeros, computes everything, and keeps its box of the result.

    Slow, but by the reference itself: for operations without a rule for stacks, and maps with axes of regions.
    """
    op, result = shards.op, shards.apply.result.tensor
    read = [position for position in range(len(shards.types)) if position not in op.shape_only]

    def run(stacks: Stacks) -> Array:
        given = dict(zip(read, stacks, strict=True))
        batch = max((stack.shape[1] for stack in stacks), default=1)
        out = np.zeros((len(shards.result), batch, *largest(shards.result)), NUMPY_NAMES[result.dtype])
        for shard, box in enumerate(shards.result):
            if (box[:, 0] < box[:, 1]).all():
                operands = [_operand(shards, given.get(i), i, shard, batch) for i in range(len(shards.types))]
                out[_held(shard, box)] = op.evaluate(*operands)[0][_part(box)]
        return out

    return Evaluation(run, shards.operands, whole=True)


def _operand(shards: ShardedOp, stack: Array | None, position: int, shard: int, batch: int) -> Array:
    """A whole operand of one shard: zeros around its box, if any element of it is read."""
    type = shards.types[position]
    whole = np.zeros((batch, *type.shape), NUMPY_NAMES[type.dtype] if stack is None else stack.dtype)
    if stack is not None:
        box = shards.operands[position][shard]
        whole[_part(box)] = stack[_held(shard, box)]
    return np.asarray(whole[0]) if position in shards.parameters else whole


def _part(box: NDArray[np.int64]) -> Selection:
    """The index of a box in an array with a batch."""
    return (slice(None), *(slice(int(first), int(end)) for first, end in box))


def _held(shard: int, box: NDArray[np.int64]) -> Selection:
    """The index of a shard's box in a stack, where all begin at the origin."""
    return (shard, slice(None), *(slice(int(end - first)) for first, end in box))
