"""Work: a formula for every operation, the numbers that its sources give, and nothing saved by cutting a kernel up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc.ir import Net
from itc.ir.net import Apply, Value
from itc.ir.op import Op
from itc.ir.ops.conv import Conv
from itc.ir.ops.pointwise import Add, Detach, Dropout, Relu
from itc.ir.ops.shape import Concat
from itc.ir.types import TensorType
from itc_tile.cost.cycles import compute_units, kernel_cycles
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel
from itc_tile.kernels.regions import granularity, needed
from itc_tile.machine.model import load_machine
from itc_tile.tiling.partition import Split, partition
from tests.random_nets import nets
from tests.tile.placements import draw_split

GC200 = load_machine("gc200")


def tensor(name: str, *shape: int) -> Value:
    return Value(name, TensorType("f32", shape))


def conv_kernel(inputs: int, outputs: int, size: int, kernel: int = 1, groups: int = 1) -> Kernel:
    x, w = tensor("x0", inputs, size, size), tensor("p0", outputs, inputs // groups, kernel, kernel)
    y = tensor("v0", outputs, size, size)
    op = Conv(pad=(kernel // 2, kernel // 2), groups=groups)
    return Kernel("conv", (Apply(op, (x, w), (y,)),), (x,), (w,), y)


def whole(kernel: Kernel) -> int:
    boxes = partition(kernel.result.tensor.shape, Split(), granularity(kernel))
    return int(kernel_cycles(kernel, needed(kernel, boxes), GC200)[0])


@pytest.mark.parametrize(
    ("inputs", "outputs", "size", "kernel", "cycles"),
    [
        (8, 16, 10, 1, 270 + 1 * (100 * 8 + 220)),  # one pass: 8 x 16 weights, 8 cycles a place
        (16, 32, 10, 1, 270 + 4 * (100 * 8 + 220)),
        (9, 17, 10, 1, 270 + 4 * (100 * 8 + 220)),  # what is begun counts whole
        (8, 16, 10, 3, 270 + 9 * (100 * 8 + 220)),  # one pass a tap
    ],
)
def test_matrix_unit(inputs: int, outputs: int, size: int, kernel: int, cycles: int) -> None:
    assert whole(conv_kernel(inputs, outputs, size, kernel)) == cycles


@pytest.mark.parametrize(
    ("side", "inputs", "outputs", "vendor", "within"),
    [(7, 16, 16, 529, 0.31), (14, 64, 64, 16111, 0.02), (28, 256, 64, 214795, 0.002)],
)
def test_the_form_of_the_matrix_formula(side: int, inputs: int, outputs: int, vendor: int, within: float) -> None:
    """With the numbers of the half-precision unit, cycles of the vendor's own formula for 1 x 1 convolutions."""
    units = GC200.compute["f32"]
    half = units.matrix.model_copy(update={"rate": 64, "inputs": 16, "outputs": 16})  # type: ignore[union-attr]
    machine = GC200.model_copy(update={"compute": {"f32": units.model_copy(update={"matrix": half})}})
    kernel = conv_kernel(inputs, outputs, side)
    regions = needed(kernel, partition(kernel.result.tensor.shape, Split()))
    assert abs(int(kernel_cycles(kernel, regions, machine)[0]) / vendor - 1) < within


def test_depthwise_convolutions_run_on_the_vector_unit() -> None:
    """60 channels of 10 x 10: 500 rounds of 6 workers x 2 elements, 9 taps of 1.5 cycles, rounded up."""
    assert whole(conv_kernel(60, 60, 10, 3, groups=60)) == 360 + 6 * 500 * 14


def test_a_split_between_groups_counts_only_its_own() -> None:
    kernel = conv_kernel(64, 64, 10, 1, groups=4)
    boxes = partition((64, 10, 10), Split(channels=4), granularity(kernel))
    cycles = kernel_cycles(kernel, needed(kernel, boxes), GC200)
    assert cycles.tolist() == [270 + 2 * (100 * 8 + 220)] * 4


def pointwise_kernel(*ops: object) -> Kernel:
    values = [tensor("x0", 4, 30, 10), *(tensor(f"v{i}", 4, 30, 10) for i in range(len(ops)))]
    body = tuple(
        Apply(op, (before,), (after,))  # type: ignore[arg-type]
        for op, before, after in zip(ops, values, values[1:], strict=False)
    )
    return Kernel("pointwise", body, (values[0],), (), values[-1])


def test_pointwise_operations_in_a_row_load_and_store_once() -> None:
    rounds = 1200 // 12
    assert whole(pointwise_kernel(Relu())) == 360 + 6 * rounds * (1 + 2)
    assert whole(pointwise_kernel(Relu(), Relu())) == 360 + 6 * rounds * (1 + 2) + 6 * rounds
    assert whole(pointwise_kernel(Relu(), Dropout())) == whole(pointwise_kernel(Relu()))


@pytest.mark.parametrize("identity", [Dropout(), Detach()])
def test_an_identity_alone_is_a_copy(identity: Op) -> None:
    assert whole(pointwise_kernel(identity)) == 360 + 6 * 100 * 2


def test_an_identity_starts_no_pass() -> None:
    assert whole(pointwise_kernel(Dropout(), Relu())) == whole(pointwise_kernel(Relu()))
    assert whole(pointwise_kernel(Relu(), Dropout(), Relu())) == whole(pointwise_kernel(Relu(), Relu()))


def test_what_the_exchange_writes_in_place_takes_no_time() -> None:
    x, y, z = tensor("x0", 4, 8, 8), tensor("x1", 4, 8, 8), tensor("v0", 8, 8, 8)
    joined = Kernel("concat", (Apply(Concat(), (x, y), (z,)),), (x, y), (), z)
    assert joined.in_place == {"v0"} and whole(joined) == 0
    total = tensor("v0", 4, 8, 8)
    later = Kernel(
        "later",
        (Apply(Add(), (x, y), (total,)), Apply(Concat(), (total, x), (tensor("v1", 8, 8, 8),))),
        (x, y),
        (),
        tensor("v1", 8, 8, 8),
    )
    assert not later.in_place
    assert whole(later) == 2 * 360 + 6 * (-(-256 // 12) * 3 + -(-512 // 12) * 2)


def test_a_machine_without_units_for_a_type() -> None:
    with pytest.raises(CompileError, match="E0513"):
        compute_units(GC200, "i8")


@settings(max_examples=15, deadline=None)
@given(nets(), st.data())
def test_cutting_a_kernel_up_saves_no_work(net: Net, data: st.DataObject) -> None:
    for node in KernelGraph(fuse(net)).instances.values():
        split = draw_split(lambda: data.draw(st.integers(1, 4)), node)
        shape = node.kernel.result.tensor.shape
        cut, one = (
            kernel_cycles(node.kernel, needed(node.kernel, partition(shape, s, granularity(node.kernel))), GC200)
            for s in (split, Split())
        )
        assert cut.sum() >= one.sum()
        assert np.all(cut <= one.sum())
