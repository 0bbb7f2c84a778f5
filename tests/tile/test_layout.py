"""Splits, and the parts of every value that the shards of a result need."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itc.ir import LAYERS, Apply, Layer, TensorType, Value
from itc.ir.ops.resize import Resize
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel
from itc_tile.kernels.regions import granularity, needed, required_regions
from itc_tile.tiling.boxes import volume
from itc_tile.tiling.partition import Split, partition
from tests.random_nets import nets, on_random_nets


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.sampled_from(((7, 5, 6), (4, 4, 4), (12, 3, 9))))
def test_parts_are_disjoint_complete_and_balanced(
    channels: int, rows: int, columns: int, shape: tuple[int, ...]
) -> None:
    boxes = partition(shape, Split(channels, rows, columns))
    assert len(boxes) == channels * rows * columns
    seen = np.zeros(shape, int)
    for box in boxes:
        seen[tuple(slice(*pair) for pair in box)] += 1
    assert (seen == 1).all()
    full = boxes[volume(boxes) > 0]
    sizes = full[..., 1] - full[..., 0]
    assert ((sizes.max(0) - sizes.min(0)) <= 1).all()


def test_vectors_and_tokens() -> None:
    assert partition((5,), Split(2)).tolist() == [[[0, 2]], [[2, 5]]]
    assert partition((4, 6), Split(2, 2)).tolist() == [
        [[0, 2], [0, 3]],
        [[0, 2], [3, 6]],
        [[2, 4], [0, 3]],
        [[2, 4], [3, 6]],
    ]
    assert partition((), Split()).shape == (1, 0, 2)
    with pytest.raises(AssertionError):
        partition((5,), Split(1, 2))


def test_more_parts_than_places_leave_empty_ones() -> None:
    assert volume(partition((2, 1, 1), Split(3))).tolist() == [0, 1, 1]


def test_cuts_keep_groups_together() -> None:
    assert partition((12,), Split(2), step=4).tolist() == [[[0, 4]], [[4, 12]]]
    assert granularity(kernel_of(LAYERS["conv"](map_of(8), 12, (3, 3), groups=4), map_of(8))) == 3
    assert granularity(kernel_of(LAYERS["conv"](map_of(8), 12, (3, 3)), map_of(8))) == 1
    assert granularity(kernel_of(LAYERS["depthwise"](map_of(8), (3, 3)), map_of(8))) == 1
    assert granularity(kernel_of(LAYERS["relu"](map_of(8)), map_of(8))) == 1


def map_of(channels: int, rows: int = 10, columns: int = 10) -> TensorType:
    return TensorType("f32", (channels, rows, columns))


def kernel_of(layer: Layer, *types: TensorType) -> Kernel:
    """A kernel of one operation."""
    inputs = tuple(Value(f"x{i}", type) for i, type in enumerate(types))
    params = tuple(Value(f"p{i}", TensorType("f32", spec.shape)) for i, spec in enumerate(layer.params))
    (type,) = layer.op.result_types(*(value.tensor for value in (*inputs, *params)))
    result = Value("v0", type)
    return Kernel("k", (Apply(layer.op, (*inputs, *params), (result,)),), inputs, params, result)


def read(layer: Layer, box: list[list[int]], *types: TensorType) -> dict[str, list[list[int]]]:
    regions = needed(kernel_of(layer, *types), np.array([box]))
    return {name: boxes[0].tolist() for name, boxes in regions.items() if name != "v0"}


def test_windows_take_a_halo_and_end_with_the_map() -> None:
    conv = LAYERS["conv"](map_of(4), 6, (3, 3))
    assert read(conv, [[2, 4], [0, 5], [5, 10]], map_of(4)) == {
        "x0": [[0, 4], [0, 6], [4, 10]],
        "p0": [[2, 4], [0, 4], [0, 3], [0, 3]],
    }
    strided = LAYERS["conv"](map_of(4), 6, (3, 3), stride=(2, 2), dilation=(1, 1))
    assert read(strided, [[0, 6], [1, 3], [1, 3]], map_of(4))["x0"] == [[0, 4], [1, 6], [1, 6]]
    pool = LAYERS["max_pool"](map_of(4, 5, 5), (2, 2), ceil=True)
    assert read(pool, [[1, 3], [2, 3], [0, 2]], map_of(4, 5, 5)) == {"x0": [[1, 3], [4, 5], [0, 4]]}


def positions(layer: Layer, box: list[list[int]], *types: TensorType) -> list[list[int]]:
    """The positions of the first operand that a box of the result needs, by axis."""
    return [each.tolist() for each in required_regions(kernel_of(layer, *types), np.array([box]))["x0"].positions(0)]


def test_windows_that_skip_positions_leave_them_out() -> None:
    dilated = LAYERS["conv"](map_of(4), 6, (3, 3), stride=(2, 1), dilation=(2, 4))
    assert positions(dilated, [[0, 6], [1, 3], [4, 6]], map_of(4)) == [[0, 1, 2, 3], [0, 2, 4, 6], [0, 1, 4, 5, 8, 9]]
    assert read(dilated, [[0, 6], [1, 3], [4, 6]], map_of(4))["x0"] == [[0, 4], [0, 4], [0, 6]]
    assert positions(dilated, [[0, 1], [0, 1], [0, 1]], map_of(4))[1:] == [[0, 2], [0, 4]]
    pool = LAYERS["avg_pool"](map_of(4), (1, 2), stride=(3, 4))
    assert positions(pool, [[1, 3], [1, 4], [0, 2]], map_of(4)) == [[1, 2], [3, 6, 9], [0, 1, 4, 5]]
    down = Layer(Resize("bilinear", size=(5, 2)))
    assert positions(down, [[0, 1], [0, 5], [0, 2]], map_of(1)) == [[0], list(range(10)), [2, 3, 7, 8]]
    slices = LAYERS["slice"](map_of(9), 1, 8, step=3)
    assert positions(slices, [[0, 2], [0, 1], [2, 4]], map_of(9)) == [[1, 4], [0], [2, 3]]
    shuffled = LAYERS["channel_shuffle"](map_of(8), 4)
    assert positions(shuffled, [[0, 2], [0, 1], [2, 4]], map_of(8)) == [[0, 2], [0], [2, 3]]
    spread = LAYERS["conv_transpose"](map_of(4), 6, (2, 2), stride=(2, 1), pad=(0, 0), dilation=(1, 3))
    assert positions(spread, [[0, 6], [3, 6], [5, 6]], map_of(4))[1:] == [[1, 2], [2, 5]]
    turned = LAYERS["rope"](TensorType("f32", (3, 16)), 2)
    assert positions(turned, [[0, 1], [1, 3]], TensorType("f32", (3, 16))) == [[0], [1, 2, 5, 6]]


def test_channels_of_groups() -> None:
    grouped = LAYERS["conv"](map_of(8), 12, (1, 1), groups=4, bias=True)
    assert read(grouped, [[4, 8], [0, 1], [0, 1]], map_of(8)) == {
        "x0": [[2, 6], [0, 1], [0, 1]],
        "p0": [[4, 8], [0, 2], [0, 1], [0, 1]],
        "p1": [[4, 8]],
    }
    depthwise = LAYERS["depthwise"](map_of(8), (3, 3))
    assert read(depthwise, [[4, 6], [0, 10], [9, 10]], map_of(8))["x0"] == [[4, 6], [0, 10], [8, 10]]


def test_what_is_all_needed_and_what_is_not_at_all() -> None:
    vector = TensorType("f32", (6,))
    assert read(LAYERS["softmax"](vector), [[1, 2]], vector) == {"x0": [[0, 6]]}
    assert read(LAYERS["linear"](vector, 4), [[1, 3]], vector) == {
        "x0": [[0, 6]],
        "p0": [[1, 3], [0, 6]],
        "p1": [[1, 3]],
    }
    assert read(LAYERS["global_pool"](map_of(4)), [[1, 3]], map_of(4)) == {"x0": [[1, 3], [0, 10], [0, 10]]}
    assert read(LAYERS["batch_norm"](map_of(4)), [[1, 3], [0, 2], [0, 2]], map_of(4))["p2"] == [[1, 3]]
    zeros = LAYERS["zeros"](2, like=map_of(4))
    assert read(zeros, [[0, 2], [0, 5], [0, 5]], map_of(4)) == {"x0": [[0, 0]] * 3}


def test_concatenation_reads_what_lies_in_the_box() -> None:
    types = (map_of(3), map_of(4), map_of(2))
    concat = LAYERS["concat"](*types)
    assert read(concat, [[2, 7], [0, 5], [0, 5]], *types) == {
        "x0": [[2, 3], [0, 5], [0, 5]],
        "x1": [[0, 4], [0, 5], [0, 5]],
        "x2": [[0, 0], [0, 0], [0, 0]],
    }


def test_resizing_reads_the_places_it_takes() -> None:
    nearest = Layer(Resize("nearest", 2))
    assert read(nearest, [[0, 1], [3, 7], [0, 1]], map_of(1)) == {"x0": [[0, 1], [1, 4], [0, 1]]}
    bilinear = Layer(Resize("bilinear", 4))
    assert read(bilinear, [[0, 1], [0, 2], [38, 40]], map_of(1)) == {"x0": [[0, 1], [0, 2], [9, 10]]}
    assert read(bilinear, [[0, 1], [2, 6], [6, 10]], map_of(1)) == {"x0": [[0, 1], [0, 2], [1, 3]]}


def test_reshaping_reads_the_axes_that_it_is_made_of() -> None:
    merged = LAYERS["reshape"](map_of(4), (4, 100))
    assert read(merged, [[1, 3], [24, 50]], map_of(4)) == {"x0": [[1, 3], [2, 5], [0, 10]]}
    assert read(merged, [[1, 3], [24, 26]], map_of(4)) == {"x0": [[1, 3], [2, 3], [4, 6]]}
    flat = LAYERS["reshape"](map_of(4), (400,))
    assert read(flat, [[100, 300]], map_of(4)) == {"x0": [[1, 3], [0, 10], [0, 10]]}
    heads = LAYERS["reshape"](TensorType("f32", (6, 12)), (6, 3, 4))
    assert read(heads, [[0, 2], [1, 3], [0, 4]], TensorType("f32", (6, 12))) == {"x0": [[0, 2], [4, 12]]}
    ones = LAYERS["reshape"](TensorType("f32", (1, 12, 1)), (12, 1, 1, 1))
    assert read(ones, [[3, 5], [0, 1], [0, 1], [0, 1]], TensorType("f32", (1, 12, 1))) == {
        "x0": [[0, 1], [3, 5], [0, 1]]
    }


@on_random_nets
@given(nets(), st.data())
def test_needs_are_the_same_for_all_shards_at_once_and_for_any_leading_axes(net: object, data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(list(KernelGraph(fuse(net)).instances.values())))  # type: ignore[arg-type]
    shape = node.kernel.result.tensor.shape
    parts = [data.draw(st.integers(1, 3)) if axis < len(shape) else 1 for axis in range(3)]
    boxes = partition(shape, Split(*parts), granularity(node.kernel))
    together = needed(node.kernel, boxes)
    for shard in range(len(boxes)):
        alone = needed(node.kernel, boxes[shard])
        assert all(np.array_equal(together[name][shard], alone[name]) for name in together)
    for value in (*node.kernel.inputs, *node.kernel.params):
        sizes = together[value.name]
        assert (sizes >= 0).all()
        assert (sizes[..., 1] <= np.array(value.tensor.shape)).all()
        assert (volume(sizes) <= prod(value.tensor.shape)).all()
