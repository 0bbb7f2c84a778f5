"""The lower bound on random nets and machines, and its figures where windows skip positions or memory is slow."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from itc.ir import Net, parse_net
from itc.ir.net import Apply, Value
from itc.ir.op import Op
from itc.ir.ops.conv import Conv
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.part import Slice
from itc.ir.ops.pointwise import Relu
from itc.ir.ops.pool import AdaptivePool, MaxPool
from itc.ir.ops.resize import Resize
from itc.ir.types import TensorType
from itc_tile import compile_net
from itc_tile.cost.bound import lower_bound
from itc_tile.cost.distinct import distinct_boxes
from itc_tile.cost.sharing import shared_bound
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Machine, load_machine
from itc_tile.mapping.base import Objective
from itc_tile.tiling.boxes import volume
from itc_tile.timing.timing import Timing, time_program
from tests.random_nets import Limits, nets
from tests.tile.machines import compiled, machines_of_any_units

GC200 = load_machine("gc200")
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
OBJECTIVES: tuple[Objective, ...] = ("throughput", "first", "last")
SKIPPING = Limits(size=12, statements=3, stride=6)


@settings(max_examples=15, deadline=None, phases=UNSHRUNK)
@given(nets(SKIPPING), machines_of_any_units(), st.sampled_from(OBJECTIVES))
def test_times_are_in_order(net: Net, machine: Machine, objective: Objective) -> None:
    check_order(time_program(compiled(net, machine, objective)))


@pytest.mark.long
@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=334, deadline=None, phases=UNSHRUNK)
@given(nets(SKIPPING), machines_of_any_units())
def test_times_of_many_nets_are_in_order(objective: Objective, net: Net, machine: Machine) -> None:
    check_order(time_program(compiled(net, machine, objective)))


def check_order(timing: Timing) -> None:
    """Bound <= period <= one image at a time, and bound <= latency alone <= latency in a stream."""
    bound = lower_bound(timing.program.graph, timing.program.machine)
    assert bound.stream <= timing.period <= timing.schedule.layout.one_at_a_time
    in_stream = timing.schedule.outputs()
    assert timing.outputs.keys() == in_stream.keys() == bound.outputs.keys()
    for label, cycles in timing.outputs.items():
        assert bound.outputs[label] <= cycles <= in_stream[label], label
    shared = shared_bound(timing.program.graph, timing.program.machine)
    assert shared.period <= timing.period
    assert all(bound.outputs[label] <= shared.outputs[label] <= cycles for label, cycles in timing.outputs.items())


STRIDED_CONV = """
net @strided_conv(%x: f32[64, 512, 512]) {
  param @weight: f32[8, 64, 1, 1] {role = weight, init = kaiming}
  %0 = conv(%x, @weight) {stride = [8, 8]}: f32[8, 64, 64]
  return %0 {name = y}
}
"""
STRIDED_POOL = """
net @strided_pool(%x: f32[64, 256, 256]) {
  %0 = avg_pool(%x) {stride = [8, 8]}: f32[64, 32, 32]
  return %0 {name = y}
}
"""
SHRUNK = """
net @shrunk(%x: f32[64, 256, 256]) {
  %0 = resize(%x) {mode = bilinear, size = [32, 32]}: f32[64, 32, 32]
  %1 = affine(%0) {offset = 1.0}: f32[64, 32, 32]
  return %1 {name = y}
}
"""


@pytest.mark.parametrize("text", [STRIDED_CONV, STRIDED_POOL, SHRUNK])
def test_bytes_that_no_window_reads_are_not_in_the_bound(text: str) -> None:
    """All three read 64 x 64 positions: one in eight, or two neighbours in eight, along both axes."""
    timing = time_program(compile_net(parse_net(text), GC200))
    bound = lower_bound(timing.program.graph, GC200)
    assert bound.exchange == ceil(64 * 64 * 64 * 4 / 4 / 1472) == 179
    check_order(timing)


MAP = (2, 9, 12)


@pytest.mark.parametrize(
    ("op", "weight", "read"),
    [
        (Conv(stride=(4, 3)), (2, 2, 2, 1), 2 * 4 * 4),
        (Conv(stride=(2, 2), dilation=(2, 2)), (2, 2, 3, 3), 2 * 5 * 6),
        (Conv(stride=(3, 4), pad=(1, 2), dilation=(2, 5)), (2, 2, 2, 2), 2 * 5 * 5),
        (Conv(dilation=(4, 6)), (2, 2, 2, 2), 2 * 9 * 12),
        (ConvTranspose(stride=(2, 2), dilation=(2, 2)), (2, 2, 2, 2), 2 * 9 * 12),
        (ConvTranspose(stride=(1, 1), pad=(4, 4), dilation=(6, 6)), (2, 2, 2, 2), 2 * 9 * 12),
        (MaxPool(kernel=(1, 2), stride=(4, 5)), (), 2 * 3 * 6),
        (Resize(mode="nearest", size=(4, 5)), (), 2 * 4 * 5),
        (Resize(mode="bilinear", size=(3, 4)), (), 2 * 6 * 8),
        (Slice(axis=-1, start=1, step=5), (), 2 * 9 * 3),
        (AdaptivePool(size=(2, 3)), (), 2 * 9 * 12),
    ],
)
def test_distinct_elements(op: Op, weight: tuple[int, ...], read: int) -> None:
    """Behind an operation on single elements, which has the same gaps."""
    kernel = relu_before(op, weight)
    assert volume(distinct_boxes(kernel)["x0"]).tolist() == [read]
    assert volume(distinct_boxes(kernel)["v0"]).tolist() == [read]
    assert elements_that_matter(kernel, 0) == read


def relu_before(op: Op, weight: tuple[int, ...]) -> Kernel:
    x, v = Value("x0", TensorType("f32", MAP)), Value("v0", TensorType("f32", MAP))
    params = (Value("p0", TensorType("f32", weight)),) if weight else ()
    (type,) = op.result_types(v.tensor, *(param.tensor for param in params))
    y = Value("v1", type)
    return Kernel("kernel", (Apply(Relu(), (x,), (v,)), Apply(op, (v, *params), (y,))), (x,), params, y)


def elements_that_matter(kernel: Kernel, position: int) -> int:
    """How many elements of an input reach the result: each is no number in a sample of its own."""
    rng = np.random.default_rng(0)
    samples = kernel.inputs[position].tensor.size
    inputs = [rng.uniform(0.5, 1, (samples, *value.tensor.shape)) for value in kernel.inputs]
    inputs[position].reshape(samples, samples)[np.diag_indices(samples)] = np.nan
    params = [rng.uniform(0.5, 1, value.tensor.shape) for value in kernel.params]
    (result,) = kernel.evaluate(*inputs, *params)
    return int(np.isnan(result.reshape(samples, -1)).any(axis=1).sum())


@settings(max_examples=15, deadline=None)
@given(nets(SKIPPING))
def test_no_element_counts_that_does_not_matter(net: Net) -> None:
    for node in KernelGraph(fuse(net)).instances.values():
        kernel = node.kernel
        if all(value.tensor.dtype == "f32" for value in (*kernel.inputs, kernel.result)):
            boxes = distinct_boxes(kernel)
            for position, value in enumerate(kernel.inputs):
                assert int(volume(boxes[value.name])[0]) <= elements_that_matter(kernel, position), (kernel, value)


def test_a_kernel_waits_for_its_memory() -> None:
    """Every weight comes through the load port in every run, even where loading costs the matrix unit nothing."""
    text = """
net @linear(%x: f32[100]) {
  param @weight: f32[64, 100] {role = weight, init = uniform}
  param @bias: f32[64] {role = bias, init = zeros}
  %0 = linear(%x, @weight, @bias): f32[64]
  return %0 {name = y}
}
"""
    machine = two_tiles_without_setup()
    timing = time_program(compile_net(parse_net(text), machine))
    bound = lower_bound(timing.program.graph, machine)
    assert bound.memory == ceil((100 + 64 * 100 + 64) * 4 / 16 / 2) == 821
    assert list(timing.compute.values()) == [(100 + 32 * 100 + 32) * 4 // 16]
    check_order(timing)


def two_tiles_without_setup() -> Machine:
    base = load_machine("edge-16")
    units = base.compute["f32"]
    assert units.matrix is not None
    free = units.model_copy(update={"matrix": units.matrix.model_copy(update={"setup": 0, "call": 0})})
    exchange = base.exchange.model_copy(update={"network": "all-to-all", "latency": 0, "sync": 0})
    changed = {"name": "two", "tiles": 2, "grid": (1, 2), "compute": {"f32": free}, "exchange": exchange}
    return base.model_copy(update=changed)


def test_chosen_rows_are_all_that_a_table_costs() -> None:
    """Of a table of 4,096 rows a run reads one for each number."""
    text = """
net @words(%ids: i64[3]) {
  param @table: f32[4096, 8] {role = weight, init = normal}
  %0 = embed(%ids, @table): f32[3, 8]
  return %0 {name = y}
}
"""
    timing = time_program(compile_net(parse_net(text), GC200))
    check_order(timing)
    assert lower_bound(timing.program.graph, GC200).memory == 1
    assert max(timing.compute.values()) == 360 + 6 * 2


def test_a_kernel_may_read_padding_alone() -> None:
    """Both columns of the result are windows beside the one column of the map."""
    text = """
net @padded(%x: f32[4, 3, 1]) {
  param @weight: f32[4, 1, 3, 2] {role = weight, init = kaiming}
  param @bias: f32[4] {role = bias, init = zeros}
  %0 = conv(%x, @weight, @bias) {stride = [5, 3], pad = [2, 2], groups = 4}: f32[4, 1, 2]
  return %0 {name = y}
}
"""
    timing = time_program(compile_net(parse_net(text), GC200))
    check_order(timing)
    assert lower_bound(timing.program.graph, GC200).exchange == 0
    assert timing.outputs == {"y": sum(timing.compute.values())}
