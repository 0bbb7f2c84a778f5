"""What computing an operation on shards takes and gives: the interface between kernels and the rules of operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Apply
from itc.ir.op import Array
from itc.ir.types import TensorType
from itc_tile.ops.access import ACCESS
from itc_tile.simulate.moves import Moves, largest
from itc_tile.tiling.boxes import Boxes, emptied, is_empty

Stacks: TypeAlias = list[Array]


@dataclass(frozen=True)
class Evaluation:
    """How an operation is computed: `run` takes stacks of the boxes `frames`, which hold `padding` outside the map.

    `whole` says that every shard computes the whole operation and keeps its part.
    """

    run: Callable[[Stacks], Array]
    frames: tuple[Boxes, ...]
    padding: float = 0.0
    whole: bool = False


@dataclass(frozen=True)
class Shards:
    """One operation on shards that read the boxes `read` of its operands and make the boxes `made` of its result."""

    apply: Apply
    read: tuple[Boxes, ...]
    made: Boxes

    @property
    def op(self) -> Any:
        return self.apply.op

    @property
    def types(self) -> tuple[TensorType, ...]:
        return tuple(value.tensor for value in self.apply.values)


def shards_of(apply: Apply, made: Boxes) -> Shards:
    """An operation on shards that make the boxes `made`."""
    types = [value.tensor for value in apply.values]
    rule = ACCESS[type(apply.op)]
    return Shards(apply, tuple(emptied(box) * ~is_empty(made) for box in rule(apply.op, types, made)), made)


def fitted(stack: Array, moves: Moves | None, boxes: Boxes, padding: float = 0.0) -> Array:
    """A stack as one of other boxes, with `padding` where these hold what it does not."""
    if moves is None:
        return stack
    out = np.full((len(boxes), stack.shape[1], *largest(boxes)), padding, stack.dtype)
    moves.run(stack, out)
    return out


def places_of(box: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places [shards, most] of boxes [shards, 2] along one axis; those of smaller boxes go on."""
    most = int(np.max(box[:, 1] - box[:, 0], initial=0))
    return np.asarray(box[:, :1] + np.arange(most))
