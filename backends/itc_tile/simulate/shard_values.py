"""The values of a kernel on all its shards at once: stacks of its operands go in, a stack of results comes out.

Every shard computes from its own boxes and its own copy of the parameters. Positions outside the whole map are padding;
the elements of a stack beyond a shard's box are arbitrary, and never reach a box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from itc.ir.net import Apply
from itc.ir.op import Array
from itc.ir.precision import rounded, widened
from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.record import Evaluation, ShardedOp, Stacks, sharded, tile_op
from itc_tile.simulate.whole_values import whole_values
from itc_tile.tiling.moves import Moves, fitted, fitting, largest
from itc_tile.tiling.region import Region


def evaluation(shards: ShardedOp) -> Evaluation:
    """How an operation is computed on shards, by its record or as a whole."""
    if not all(largest(shards.result)):
        return _nothing(shards)
    return tile_op(shards.op).evaluate(shards) or whole_values(shards)


def _nothing(shards: ShardedOp) -> Evaluation:
    """Where no shard needs any element, as in front of a convolution that sees only padding."""
    shape = (len(shards.result), 1, *largest(shards.result))

    def run(stacks: Stacks) -> Array:
        return np.zeros(shape, stacks[0].dtype if stacks else np.float32)

    return Evaluation(run, shards.operands)


@dataclass(frozen=True)
class _Step:
    """One operation of a kernel: how its operands are brought into their frames, and how it is computed.

    Frames are boxes, and so is what is computed; `kept` are the copies to the region of the result from the box around.
    """

    apply: Apply
    evaluation: Evaluation
    moves: tuple[Moves | None, ...]
    result: Region
    kept: Moves | None

    def run(self, values: Mapping[str, Array]) -> Array:
        used = zip(self.apply.values, self.moves, self.evaluation.frames, strict=True)
        skipped = self.apply.op.shape_only
        out = self.evaluation.run(
            [
                fitted(
                    widened(values[value.name], self.apply.result.tensor),
                    moves,
                    frame,
                    self.evaluation.padding if not position else 0.0,
                )
                for position, (value, moves, frame) in enumerate(used)
                if position not in skipped
            ]
        )
        return rounded(fitted(out, self.kept, self.result.boxes), self.apply.result.tensor)


@dataclass(frozen=True)
class ShardKernel:
    """A kernel on shards that hold `regions` of its values, by formal name."""

    kernel: Kernel
    regions: Mapping[str, Region]
    steps: list[_Step] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", [self._step(apply) for apply in self.kernel.body])

    def _step(self, apply: Apply) -> _Step:
        result = self.regions[apply.result.name]
        parameters = frozenset(i for i, value in enumerate(apply.values) if value in self.kernel.params)
        computed = evaluation(sharded(apply, result.hull, parameters))
        held = (self.regions[value.name] for value in apply.values)
        moves = tuple(fitting(part, Region(frame)) for part, frame in zip(held, computed.frames, strict=True))
        return _Step(apply, computed, moves, result, fitting(Region(result.hull), result))

    def run(self, values: dict[str, Array]) -> Array:
        """The result's stack [shards, batch, ...] from those of the inputs and, with a batch of one, the parameters."""
        with np.errstate(all="ignore"):  # beyond a shard's box anything is divided by anything
            for step in self.steps:
                values[step.apply.result.name] = step.run(values)
        return values[self.kernel.result.name]
