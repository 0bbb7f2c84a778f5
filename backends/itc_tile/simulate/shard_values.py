"""The values of a kernel on all its shards at once: stacks of what each holds go in, a stack of results comes out.

Every shard computes from its own box and its own copy of the parameters. What lies outside the whole map is padding;
the places of a stack beyond a shard's box hold anything, and never reach a box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from itc.ir.net import Apply
from itc.ir.op import OPS, Array, Op
from itc.ir.ops.activation import Prelu
from itc.ir.ops.cast import Cast
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.norm import BatchNorm, ScaleShift
from itc.ir.ops.pool import AvgPool, GlobalPool, MaxPool
from itc.ir.ops.reduce import Softmax
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat, Fill
from itc.ir.rules import axis_of
from itc.ir.types import NUMPY_NAMES
from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.access import ACCESS, SINGLE, conv_window
from itc_tile.simulate.conv_values import Convolution
from itc_tile.simulate.embedded_values import embedded
from itc_tile.simulate.evaluation import Evaluation, Shards, Stacks, fitted, shards_of
from itc_tile.simulate.moves import Moves, fitting, largest
from itc_tile.simulate.pool_values import avg_pool, global_pool, max_pool
from itc_tile.simulate.resize_values import resize
from itc_tile.tiling.boxes import emptied
from itc_tile.tiling.region import Region


def _reference(shards: Shards) -> Evaluation:
    """Operations whose reference works on any place by itself: it sees the shards as a batch of batches."""
    return Evaluation(lambda stacks: shards.op.evaluate(*stacks)[0], shards.read)


def _batch_norm(shards: Shards) -> Evaluation:
    op, axis = shards.op, shards.types[0].channel_axis

    def run(stacks: Stacks) -> Array:
        x, *params = stacks
        scale, shift, mean, var = (_along(axis, param, x.ndim) for param in params)
        return np.asarray((x - mean) / np.sqrt(var + np.asarray(op.eps, var.dtype)) * scale + shift)

    return Evaluation(run, shards.read)


def _scale_shift(shards: Shards) -> Evaluation:
    axis = shards.types[0].channel_axis

    def run(stacks: Stacks) -> Array:
        x, scale, shift = stacks
        return np.asarray(x * _along(axis, scale, x.ndim) + _along(axis, shift, x.ndim))

    return Evaluation(run, shards.read)


def _along(axis: int, param: Array, rank: int) -> Array:
    """A stack of vectors as one that broadcasts along the channels of a stack of `rank` axes."""
    shape = [param.shape[0], *(1,) * (rank - 1)]
    shape[axis] = param.shape[-1]
    return param.reshape(shape)


def _conv(shards: Shards) -> Evaluation:
    weight = shards.types[1].shape
    x = conv_window(shards.op, (weight[2], weight[3]), shards.made)
    x[:, -3] = ACCESS[Conv](shards.op, shards.types, shards.made)[0][:, -3]
    plan = Convolution(shards.op, weight, x[:, -3:], shards.made[:, -3:]).plan()

    def run(stacks: Stacks) -> Array:
        *around, channels, rows, columns = stacks[0].shape  # regions are more maps of a batch
        out = plan(stacks[0].reshape(around[0], -1, channels, rows, columns), stacks[1])
        out = out.reshape(*around, *out.shape[2:])
        return out if len(stacks) < 3 else np.add(out, _along(-3, stacks[2], out.ndim), out=out)

    return Evaluation(run, (x, *shards.read[1:]))


def _linear(shards: Shards) -> Evaluation:
    def run(stacks: Stacks) -> Array:
        x, weight, *bias = stacks
        flat = x.reshape(len(x), -1, x.shape[-1])
        out: Array = np.matmul(flat, weight[:, 0].swapaxes(-1, -2)).reshape(*x.shape[:-1], -1)
        return np.add(out, _along(-1, bias[0], out.ndim), out=out) if bias else out

    return Evaluation(run, shards.read)


def _softmax(shards: Shards) -> Evaluation:
    axis = axis_of(shards.types[0], shards.op.axis) - len(shards.types[0].shape)
    moves = fitting(Region(shards.read[0]), Region(shards.made))

    def run(stacks: Stacks) -> Array:
        powers = np.exp(stacks[0] - stacks[0].max(axis, keepdims=True))
        return fitted(powers / powers.sum(axis, keepdims=True), moves, shards.made)

    return Evaluation(run, shards.read)


def _concat(shards: Shards) -> Evaluation:
    axis, before = axis_of(shards.types[0], shards.op.axis), 0
    moves = []
    for box, type in zip(shards.read, shards.types, strict=True):
        behind = box.copy()
        behind[:, axis] += before
        moves.append(fitting(Region(emptied(behind)), Region(shards.made)))
        before += type.shape[axis]

    def run(stacks: Stacks) -> Array:
        batch = max(stack.shape[1] for stack in stacks)
        out = np.zeros((len(shards.made), batch, *largest(shards.made)), np.result_type(*stacks))
        for stack, move in zip(stacks, moves, strict=True):
            if move is None:
                return stack
            move.run(stack, out)
        return out

    return Evaluation(run, shards.read)


def _fill(shards: Shards) -> Evaluation:
    dtype = np.dtype(NUMPY_NAMES[shards.apply.result.tensor.dtype])
    shape = (len(shards.made), 1, *largest(shards.made))
    return Evaluation(lambda _: np.full(shape, shards.op.value, dtype), shards.read)


def _nothing(shards: Shards) -> Evaluation:
    """Where no shard needs any of it, as in front of a convolution that sees only padding."""
    shape = (len(shards.made), 1, *largest(shards.made))
    return Evaluation(lambda stacks: np.zeros(shape, stacks[0].dtype if stacks else np.float32), shards.read)


def _prelu(shards: Shards) -> Evaluation:
    axis = shards.types[0].channel_axis
    return Evaluation(lambda s: np.where(s[0] > 0, s[0], s[0] * _along(axis, s[1], s[0].ndim)), shards.read)


def _maps(rule: Callable[[Shards], Evaluation]) -> Callable[[Shards], Evaluation]:
    """A rule for maps of three axes; those with more in front are computed whole."""
    return lambda shards: rule(shards) if len(shards.types[0].shape) <= 3 else embedded(shards)


#: Operations that have a way of their own on stacks; all others are computed whole.
EVALUATE: dict[type[Op], Callable[[Shards], Evaluation]] = {
    **dict.fromkeys(OPS.values(), embedded),
    **dict.fromkeys(set(SINGLE) - {Cast}, _reference),
    BatchNorm: _batch_norm,
    ScaleShift: _scale_shift,
    Prelu: _prelu,
    Conv: _conv,
    Linear: _linear,
    MaxPool: _maps(max_pool),
    AvgPool: _maps(avg_pool),
    GlobalPool: global_pool,
    Softmax: _softmax,
    Resize: _maps(resize),
    Concat: _concat,
    Fill: _fill,
}


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
                fitted(values[value.name], moves, frame, self.evaluation.padding if not position else 0.0)
                for position, (value, moves, frame) in enumerate(used)
                if position not in skipped
            ]
        )
        return fitted(out, self.kept, self.result.boxes)


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
        shards = shards_of(apply, result.hull)
        evaluation = EVALUATE[type(apply.op)](shards) if all(largest(shards.made)) else _nothing(shards)
        held = (self.regions[value.name] for value in apply.values)
        moves = tuple(fitting(part, Region(frame)) for part, frame in zip(held, evaluation.frames, strict=True))
        return _Step(apply, evaluation, moves, result, fitting(Region(result.hull), result))

    def run(self, values: dict[str, Array]) -> Array:
        """The result's stack [shards, batch, ...] from those of the inputs and, with a batch of one, the parameters."""
        with np.errstate(all="ignore"):  # beyond a shard's box anything is divided by anything
            for step in self.steps:
                values[step.apply.result.name] = step.run(values)
        return values[self.kernel.result.name]
