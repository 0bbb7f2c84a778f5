"""The tile backend's records of all operations: what is read suffices, shards make what the whole does, work counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itc.ir import OPS, Apply, TensorType, Value
from itc.ir.op import Array
from itc_tile.cost.cycles import compute_units, kernel_cycles
from itc_tile.kernels.kernel import Kernel
from itc_tile.kernels.regions import needed, required_regions
from itc_tile.machine.model import load_machine
from itc_tile.ops.read_regions import reads
from itc_tile.ops.record import tile_op, tile_ops
from itc_tile.simulate.shard_values import ShardKernel
from itc_tile.tiling.moves import largest
from itc_tile.tiling.partition import Split, partition
from itc_tile.tiling.region import Region
from tests.ops.draws import Drawn, operations
from tests.random_nets import on_random_nets

NAMES = sorted(OPS)
GARBAGE = 1e30  # where nothing may be read: a number, since integers have no nan


def test_every_operation_has_a_record() -> None:
    assert set(tile_ops()) == set(OPS.values())


def part(box: Array) -> tuple[slice, ...]:
    return tuple(slice(int(first), int(end)) for first, end in box)


@st.composite
def boxes_in(draw: Any, shape: tuple[int, ...]) -> Array:
    """A box of a tensor that is not empty."""
    edges = [sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in shape]
    return np.array(edges, np.int64).reshape(-1, 2)


def spoilt(array: Array, region: Region, batch: bool) -> Array:
    """The array with garbage everywhere but in the region; integers, which choose places, stay in range."""
    out = np.full_like(array, GARBAGE) if np.issubdtype(array.dtype, np.floating) else np.zeros_like(array)
    inside = held_of(array, region, 0, batch)
    out[inside] = array[inside]
    return out


def held_of(array: Array, region: Region, shard: int, batch: bool) -> Any:
    """The index of what a shard holds of an array."""
    leading = [np.arange(len(array))] if batch else []
    return np.ix_(*leading, *region.positions(shard))


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_what_is_read_suffices(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    (result,) = drawn.results
    box = data.draw(boxes_in(result.shape))
    boxes = tile_op(drawn.op).access(drawn.op, drawn.types, box[None])
    read = reads(drawn.op, drawn.types, Region(box[None]))
    for around, region, operand in zip(boxes, read, drawn.types, strict=True):
        assert around.shape == (1, len(operand.shape), 2)
        assert (around >= 0).all()
        assert (around <= np.array(operand.shape, np.int64).reshape(-1, 1)).all()
        assert (region.boxes == 0).all() or ((around[..., 0] <= region.hull[..., 0]).all())
        assert (region.boxes == 0).all() or ((around[..., 1] >= region.hull[..., 1]).all())
    spoiled = (
        array if i in drawn.op.shape_only else spoilt(array, region, i < drawn.tensors)
        for i, (array, region) in enumerate(zip(drawn.arrays, read, strict=True))
    )
    with np.errstate(all="ignore"):
        (found,) = drawn.op.evaluate(*spoiled)
    inside = (slice(None), *part(box))
    np.testing.assert_array_equal(found[inside], drawn.evaluate()[inside])


def kernel_of(drawn: Drawn) -> Kernel:
    """The kernel of this one operation."""
    values = [
        Value(f"s{i}" if i in drawn.op.shape_only else f"x{i}" if i < drawn.tensors else f"p{i}", type)
        for i, type in enumerate(drawn.types)
    ]
    result = Value("v0", drawn.results[0])
    inputs = tuple(v for v in values if v.name.startswith("x")) or (Value("x0", TensorType("f32", (1,))),)
    params = tuple(v for v in values if v.name.startswith("p"))
    return Kernel("one", (Apply(drawn.op, tuple(values), (result,)),), inputs, params, result)


@st.composite
def splits(draw: Any, shape: tuple[int, ...]) -> Split:
    if not shape:
        return Split()
    numbers = [draw(st.integers(1, 3)) for _ in range(3)]
    return Split(*numbers[: min(len(shape), 3)])


def stacked(array: Array, region: Region, batch: bool) -> Array:
    """What shards hold of an array, as a stack, with garbage beyond it."""
    array = array if batch else array[None]
    filler = 7e29 if np.issubdtype(array.dtype, np.floating) else 0
    out = np.full((len(region.boxes), len(array), *largest(region.boxes)), filler, array.dtype)
    for shard in range(len(region.boxes)):
        own = array[held_of(array, region, shard, True)]
        out[(shard, slice(None), *(slice(size) for size in own.shape[1:]))] = own
    return out


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_shards_compute_what_the_whole_does(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    kernel, (result,) = kernel_of(drawn), drawn.results
    boxes = partition(result.shape, data.draw(splits(result.shape)))
    regions = required_regions(kernel, boxes)
    operands = kernel.body[0].values
    stacks = {
        value.name: stacked(array, regions[value.name], i < drawn.tensors)
        for i, (value, array) in enumerate(zip(operands, drawn.arrays, strict=True))
        if i not in drawn.op.shape_only
    }
    found, expected = ShardKernel(kernel, regions).run(stacks), drawn.evaluate()
    assert found.dtype == expected.dtype
    for shard, box in enumerate(boxes):
        made = expected[(slice(None), *part(box))]
        own = found[(shard, slice(None), *(slice(size) for size in made.shape[1:]))]
        if np.issubdtype(expected.dtype, np.floating):
            np.testing.assert_allclose(np.broadcast_to(own, made.shape), made, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(np.broadcast_to(own, made.shape), made)


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_work_is_counted_and_no_less_than_the_machine_needs(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    kernel, (result,) = kernel_of(drawn), drawn.results
    machine = load_machine("gc200")
    boxes = partition(result.shape, data.draw(splits(result.shape)))
    cycles = kernel_cycles(kernel, needed(kernel, boxes), machine)
    assert cycles.shape == (len(boxes),)
    made = (boxes[..., 0] < boxes[..., 1]).all(-1)
    assert (cycles[~made] == 0).all()
    units = compute_units(machine, "f32")
    rate = max(units.matrix.rate if units.matrix else 0, units.vector.width / units.vector.multiply_add)
    assert cycles.sum() * rate >= drawn.op.macs(*drawn.types)
