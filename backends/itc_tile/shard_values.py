"""The values of a kernel on all its shards at once: stacks of what each holds go in, a stack of results comes out.

Every shard computes from its own box and its own copy of the parameters. What lies outside the whole map is padding;
the places of a stack beyond a shard's box hold anything, and never reach a box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from itc.ir.net import Apply
from itc.ir.op import OPS, Array, Op, as_float
from itc.ir.ops.activation import Prelu
from itc.ir.ops.cast import Cast
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.norm import BatchNorm
from itc.ir.ops.pool import AvgPool, GlobalPool, MaxPool, Pool
from itc.ir.ops.reduce import Softmax
from itc.ir.ops.resize import Resize, linear_source, nearest_source
from itc.ir.ops.shape import Concat, Fill
from itc.ir.rules import axis_of
from itc.ir.types import TensorType
from itc_tile.access import ACCESS, SINGLE, conv_window, pool_window
from itc_tile.conv_values import Convolution
from itc_tile.kernel import NUMPY_TYPES, Kernel, is_parameter
from itc_tile.layout import Boxes, emptied, is_empty
from itc_tile.moves import Moves, fitting, largest

Stacks: TypeAlias = list[Array]


@dataclass(frozen=True)
class Evaluation:
    """How an operation is computed: `run` takes stacks of the boxes `frames`, which hold `padding` outside the map."""

    run: Callable[[Stacks], Array]
    frames: tuple[Boxes, ...]
    padding: float = 0.0


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


def _along(axis: int, param: Array, rank: int) -> Array:
    """A stack of vectors as one that broadcasts along the channels of a stack of `rank` axes."""
    shape = [param.shape[0], *(1,) * (rank - 1)]
    shape[axis] = param.shape[-1]
    return param.reshape(shape)


def _conv(shards: Shards) -> Evaluation:
    weight = shards.types[1].shape
    x = conv_window(shards.op, (weight[2], weight[3]), shards.made)
    x[:, -3] = _channels_read(shards)
    plan = Convolution(shards.op, weight, x, shards.made).plan()

    def run(stacks: Stacks) -> Array:
        out = plan(stacks[0], stacks[1])
        return np.add(out, _along(-3, stacks[2], out.ndim)) if len(stacks) > 2 else out

    return Evaluation(run, (x, *shards.read[1:]))


def _channels_read(shards: Shards) -> NDArray[np.int64]:
    """First and end of the channels that each shard reads, also where all their places are padding."""
    full = shards.made.copy()
    full[:, -2:] = [[0, shards.apply.result.tensor.shape[-2]], [0, shards.apply.result.tensor.shape[-1]]]
    return ACCESS[Conv](shards.op, shards.types, full)[0][:, -3]


def _linear(shards: Shards) -> Evaluation:
    def run(stacks: Stacks) -> Array:
        x, weight, *bias = stacks
        flat = x.reshape(len(x), -1, x.shape[-1])
        out = np.matmul(flat, weight[:, 0].swapaxes(-1, -2)).reshape(*x.shape[:-1], -1)
        return np.add(out, _along(-1, bias[0], out.ndim)) if bias else out

    return Evaluation(run, shards.read)


def _max_pool(shards: Shards) -> Evaluation:
    def run(stacks: Stacks) -> Array:
        seen = _pool_taps(shards, stacks[0])
        out = next(seen).copy()
        for tap in seen:
            np.maximum(out, tap, out=out)
        return out

    return Evaluation(run, (_pool_frame(shards),), -np.inf)


def _avg_pool(shards: Shards) -> Evaluation:
    rows, columns = (_counts(shards, axis) for axis in (0, 1))
    counts = rows[:, None, None, :, None] * columns[:, None, None, None, :]

    def run(stacks: Stacks) -> Array:
        x = as_float(stacks[0])
        total = np.zeros((*x.shape[:3], *counts.shape[-2:]), x.dtype)
        for tap in _pool_taps(shards, x):
            total += tap
        return np.asarray(total / counts.astype(x.dtype))

    return Evaluation(run, (_pool_frame(shards),))


def _pool_frame(shards: Shards) -> Boxes:
    frame = pool_window(shards.op, shards.made)
    frame[:, :-2] = shards.made[:, :-2]
    return frame


def _pool_taps(shards: Shards, x: Array) -> Any:
    """What each place of the window sees: stacks of the result's size."""
    op: Pool = shards.op
    *_, rows, columns = largest(shards.made)
    for i in range(op.kernel[0]):
        for j in range(op.kernel[1]):
            down = slice(i, i + op.stride[0] * (rows - 1) + 1, op.stride[0])
            across = slice(j, j + op.stride[1] * (columns - 1) + 1, op.stride[1])
            yield x[..., down, across]


def _counts(shards: Shards, axis: int) -> NDArray[np.int64]:
    """For each shard and place of the result along a spatial axis, how many places of the padded map it averages."""
    op: AvgPool = shards.op
    size, k, s, p = shards.types[0].shape[axis - 2], op.kernel[axis], op.stride[axis], op.pad[axis]
    first = _places(shards.made[:, axis - 2]) * s - p
    return np.maximum(np.minimum(first + k, size + p) - first, 1)


def _places(box: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places [shards, most] of boxes [shards, 2] along one axis; those of smaller boxes go on."""
    most = int(np.max(box[:, 1] - box[:, 0], initial=0))
    return np.asarray(box[:, :1] + np.arange(most))


def _global_pool(shards: Shards) -> Evaluation:
    return Evaluation(lambda stacks: stacks[0].mean((-2, -1)), shards.read)


def _softmax(shards: Shards) -> Evaluation:
    axis = axis_of(shards.types[0], shards.op.axis) - len(shards.types[0].shape)
    moves = fitting(shards.read[0], shards.made)

    def run(stacks: Stacks) -> Array:
        powers = np.exp(stacks[0] - stacks[0].max(axis, keepdims=True))
        return fitted(powers / powers.sum(axis, keepdims=True), moves, shards.made)

    return Evaluation(run, shards.read)


def _resize(shards: Shards) -> Evaluation:
    op: Resize = shards.op
    along = _nearest if op.mode == "nearest" else _bilinear
    targets = op.sizes(*(type.shape for type in shards.types))
    resizing = [along(shards, axis, target) for axis, target in zip((-2, -1), targets, strict=True)]

    def run(stacks: Stacks) -> Array:
        x = stacks[0]
        for one in resizing:
            x = one(x)
        return x

    return Evaluation(run, shards.read)


def _nearest(shards: Shards, axis: int, target: int) -> Callable[[Array], Array]:
    read, made = shards.read[0][:, axis], shards.made[:, axis]
    source = nearest_source(shards.types[0].shape[axis], target)[np.minimum(_places(made), target - 1)]
    places = np.clip(source - read[:, :1], 0, max(0, int((read[:, 1] - read[:, 0]).max()) - 1))
    patterns, kind = np.unique(places, axis=0, return_inverse=True)
    members = [np.flatnonzero(kind.reshape(-1) == number) for number in range(len(patterns))]

    def run(x: Array) -> Array:
        shape = list(x.shape)
        shape[axis] = places.shape[1]
        out = np.empty(shape, x.dtype)
        for pattern, rows in zip(patterns, members, strict=True):
            out[rows] = x[rows].take(pattern, axis)
        return out

    return run


def _bilinear(shards: Shards, axis: int, target: int) -> Callable[[Array], Array]:
    """As a product with a matrix [shards, made, read] of two weights a row."""
    read, made = shards.read[0][:, axis], shards.made[:, axis]
    low, high, weight = linear_source(shards.types[0].shape[axis], target)
    places = np.minimum(_places(made), target - 1)
    matrix = np.zeros((*places.shape, int((read[:, 1] - read[:, 0]).max())))
    shard, place = np.meshgrid(*(np.arange(size) for size in places.shape), indexing="ij")
    for source, share in ((low, 1 - weight), (high, weight)):
        at = source[places] - read[:, :1]
        held = (at >= 0) & (at < (read[:, 1] - read[:, 0])[:, None])
        np.add.at(matrix, (shard[held], place[held], at[held]), share[places][held])
    matrix = matrix[:, None, None]

    def run(x: Array) -> Array:
        weights = matrix.astype(x.dtype)
        return np.matmul(weights, x) if axis == -2 else np.matmul(x, weights.swapaxes(-1, -2))

    return run


def _concat(shards: Shards) -> Evaluation:
    axis, before = axis_of(shards.types[0], shards.op.axis), 0
    moves = []
    for box, type in zip(shards.read, shards.types, strict=True):
        behind = box.copy()
        behind[:, axis] += before
        moves.append(fitting(emptied(behind), shards.made))
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
    dtype = np.dtype(NUMPY_TYPES[shards.apply.result.tensor.dtype])
    shape = (len(shards.made), 1, *largest(shards.made))
    return Evaluation(lambda _: np.full(shape, shards.op.value, dtype), shards.read)


def _nothing(shards: Shards) -> Evaluation:
    """Where no shard needs any of it, as in front of a convolution that sees only padding."""
    shape = (len(shards.made), 1, *largest(shards.made))
    return Evaluation(lambda stacks: np.zeros(shape, stacks[0].dtype if stacks else np.float32), shards.read)


def _prelu(shards: Shards) -> Evaluation:
    axis = shards.types[0].channel_axis
    return Evaluation(lambda s: np.where(s[0] > 0, s[0], s[0] * _along(axis, s[1], s[0].ndim)), shards.read)


def _embedded(shards: Shards) -> Evaluation:
    """Any operation: each shard puts what it holds into whole operands of zeros, computes all, and keeps its box.

    Slow, but by the reference itself: for operations without a rule for stacks, and maps with axes of regions.
    """
    op, result = shards.op, shards.apply.result.tensor

    def run(stacks: Stacks) -> Array:
        given = dict(zip((i for i in range(len(shards.types)) if i not in op.shape_only), stacks, strict=True))
        batch = max((stack.shape[1] for stack in stacks), default=1)
        out = np.zeros((len(shards.made), batch, *largest(shards.made)), NUMPY_TYPES[result.dtype])
        for shard, box in enumerate(shards.made):
            if (box[:, 0] < box[:, 1]).all():
                operands = [_operand(shards, given.get(i), i, shard, batch) for i in range(len(shards.types))]
                made = op.evaluate(*operands)[0][(slice(None), *_part(box))]
                out[(shard, slice(None), *(slice(size) for size in made.shape[1:]))] = made
        return out

    return Evaluation(run, shards.read)


def _operand(shards: Shards, stack: Array | None, position: int, shard: int, batch: int) -> Array:
    """A whole operand of one shard: zeros, but for what its stack holds, if any of it is read at all."""
    value, type = shards.apply.values[position], shards.types[position]
    whole = np.zeros((batch, *type.shape), NUMPY_TYPES[type.dtype] if stack is None else stack.dtype)
    if stack is not None:
        box = shards.read[position][shard]
        held = stack[(shard, slice(None), *(slice(int(size)) for size in box[:, 1] - box[:, 0]))]
        whole[(slice(None), *_part(box))] = held
    return whole[0] if is_parameter(value) else whole


def _part(box: NDArray[np.int64]) -> tuple[slice, ...]:
    return tuple(slice(int(first), int(end)) for first, end in box)


def _maps(rule: Callable[[Shards], Evaluation]) -> Callable[[Shards], Evaluation]:
    """A rule for maps of three axes; those with more in front are computed whole."""
    return lambda shards: rule(shards) if len(shards.types[0].shape) <= 3 else _embedded(shards)


#: Operations that have a way of their own on stacks; all others are computed whole.
EVALUATE: dict[type[Op], Callable[[Shards], Evaluation]] = {
    **dict.fromkeys(OPS.values(), _embedded),
    **dict.fromkeys(set(SINGLE) - {Cast}, _reference),
    BatchNorm: _batch_norm,
    Prelu: _prelu,
    Conv: _maps(_conv),
    Linear: _linear,
    MaxPool: _maps(_max_pool),
    AvgPool: _maps(_avg_pool),
    GlobalPool: _global_pool,
    Softmax: _softmax,
    Resize: _maps(_resize),
    Concat: _concat,
    Fill: _fill,
}


def fitted(stack: Array, moves: Moves | None, boxes: Boxes, padding: float = 0.0) -> Array:
    """A stack as one of other boxes, with `padding` where these hold what it does not."""
    if moves is None:
        return stack
    out = np.full((len(boxes), stack.shape[1], *largest(boxes)), padding, stack.dtype)
    moves.run(stack, out)
    return out


@dataclass(frozen=True)
class _Step:
    """One operation of a kernel: how its operands are brought into their frames, and how it is computed."""

    apply: Apply
    evaluation: Evaluation
    moves: tuple[Moves | None, ...]

    def run(self, values: Mapping[str, Array]) -> Array:
        used = zip(self.apply.values, self.moves, self.evaluation.frames, strict=True)
        skipped = self.apply.op.shape_only
        return self.evaluation.run(
            [
                fitted(values[value.name], moves, frame, self.evaluation.padding if not position else 0.0)
                for position, (value, moves, frame) in enumerate(used)
                if position not in skipped
            ]
        )


@dataclass(frozen=True)
class ShardKernel:
    """A kernel on shards that hold the boxes `regions` of its values, by formal name."""

    kernel: Kernel
    regions: Mapping[str, Boxes]
    steps: list[_Step] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", [self._step(apply) for apply in self.kernel.body])

    def _step(self, apply: Apply) -> _Step:
        shards = shards_of(apply, self.regions[apply.result.name])
        evaluation = EVALUATE[type(apply.op)](shards) if all(largest(shards.made)) else _nothing(shards)
        held = (self.regions[value.name] for value in apply.values)
        moves = tuple(fitting(box, frame) for box, frame in zip(held, evaluation.frames, strict=True))
        return _Step(apply, evaluation, moves)

    def run(self, values: dict[str, Array]) -> Array:
        """The result's stack [shards, batch, ...] from those of the inputs and, with a batch of one, the parameters."""
        with np.errstate(all="ignore"):  # beyond a shard's box anything is divided by anything
            for step in self.steps:
                values[step.apply.result.name] = step.run(values)
        return values[self.kernel.result.name]
