"""The record of an operation: what the tile backend must know of it, by its type in the IR. Knows no machine.

Boxes are int64 arrays [..., rank, 2]: first position and the one behind the last along each axis; leading axes are
shards, or candidates of a planner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from itc.extensions import load_extensions
from itc.ir.net import Apply
from itc.ir.op import Array, Op
from itc.ir.types import TensorType
from itc_tile.tiling.boxes import Boxes, emptied, extent, is_empty, volume
from itc_tile.tiling.sets import Ints, Windows

#: Entry points whose modules register the operations of other distributions when they are loaded.
GROUP = "itc.tile_ops"

Types: TypeAlias = Sequence[TensorType]
Stacks: TypeAlias = list[Array]


@dataclass(frozen=True)
class ShardedOp:
    """One operation on all shards: boxes of each operand and of the result. `parameters` are positions of operands."""

    apply: Apply
    operands: tuple[Boxes, ...]
    result: Boxes
    parameters: frozenset[int] = frozenset()

    @property
    def op(self) -> Any:
        return self.apply.op

    @property
    def types(self) -> tuple[TensorType, ...]:
        return tuple(value.tensor for value in self.apply.values)

    @property
    def elements(self) -> Ints:
        """Elements of the result on each shard."""
        return volume(self.result)

    @property
    def width(self) -> Ints:
        """Elements of the result along its last axis."""
        return extent(self.result, -1)


@dataclass(frozen=True)
class Product:
    """A matrix product: sums over `taps` x `inputs`, for `outputs` channels at `positions` in each of `groups`.

    `dtype` is the element type of the operands; records leave it to the kernel's work, as they do for passes.
    """

    positions: Ints
    taps: int
    inputs: int
    outputs: Ints
    groups: Ints | int = 1
    dtype: str = "f32"


@dataclass(frozen=True)
class VectorPass:
    """A pass over `elements`: instructions for each vector, by cost class; `rows` of windows are set up.

    `access` loads and stores a vector, `simple` takes one cycle on any machine. A pass that goes on from the one before
    needs no `call`.
    """

    elements: Ints
    simple: float = 0
    multiply_add: float = 0
    special: float = 0
    window: float = 0
    access: float = 0
    rows: Ints | int = 0
    call: bool = True
    dtype: str = "f32"


@dataclass(frozen=True)
class Work:
    """Counts of work of one execution on each shard; none at all for an identity.

    `selected` bounds the elements read of operands whose positions depend on values, by operand; of others, all
    elements of their boxes are read once.
    """

    products: tuple[Product, ...] = ()
    passes: tuple[VectorPass, ...] = ()
    selected: Mapping[int, Ints] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Computes an operation on shards: `run` takes stacks of the boxes `frames`, with `padding` outside the operand.

    `whole` says that every shard computes the whole operation and keeps its part. `taps` are array operations of a
    run, `unfolded` its temporary elements beside the frames.
    """

    run: Callable[[Stacks], Array]
    frames: tuple[Boxes, ...]
    padding: float = 0.0
    whole: bool = False
    taps: int = 0
    unfolded: int = 0


@dataclass(frozen=True)
class TileOp:
    """The record of an operation.

    - `access` maps boxes of the result to boxes of every operand, none of which leaves the operand; they may be empty.
    - `windows` gives, by axis, the exact positions of the first operand, for operations that may skip some.
    - `work` counts the work of one execution on shards.
    - `evaluate` computes the values on shards; where it gives none, every shard computes the whole by the reference.
    - `copy_like` says whether each element of the result is an element of an operand or a constant, and all of those
      are needed: the exchange can then write the result in place.
    - `granularity` is the number of channels that a partition keeps together.
    """

    access: Callable[[Any, Types, Boxes], list[Boxes]]
    work: Callable[[ShardedOp], Work]
    evaluate: Callable[[ShardedOp], Evaluation | None] = lambda _: None
    windows: Callable[[Any, Types], dict[int, Windows]] | None = None
    copy_like: Callable[[Any], bool] = lambda _: False
    granularity: Callable[[Any, TensorType], int] = lambda *_: 1


_RECORDS: dict[type[Op], TileOp] = {}


def register(op: type[Op], record: TileOp) -> None:
    """Adds the record of an operation; there is one for each."""
    assert op not in _RECORDS, op
    _RECORDS[op] = record


def has_tile_op(op: Op) -> bool:
    """Whether an operation has a record, if need be after the entry points of `itc.tile_ops` are loaded."""
    if type(op) not in _RECORDS:
        load_extensions(GROUP)
    return type(op) in _RECORDS


def tile_op(op: Op) -> TileOp:
    """The record of an operation; compilation has checked that there is one (E0523)."""
    return _RECORDS[type(op)]


def tile_ops() -> Iterator[type[Op]]:
    """The operations that have a record."""
    yield from _RECORDS


def is_copy_like(op: Op) -> bool:
    """Whether the exchange can write the result of an operation in place."""
    return has_tile_op(op) and tile_op(op).copy_like(op)


def is_fusable(op: Op) -> bool:
    """Whether an operation can join a kernel that is anchored elsewhere."""
    return op.pointwise or is_copy_like(op)


def sharded(apply: Apply, result: Boxes, parameters: frozenset[int] = frozenset()) -> ShardedOp:
    """An operation on shards that make the boxes `result`, with what its access map gives of every operand."""
    boxes = tile_op(apply.op).access(apply.op, [value.tensor for value in apply.values], result)
    return ShardedOp(apply, tuple(emptied(box) * ~is_empty(result) for box in boxes), result, parameters)
