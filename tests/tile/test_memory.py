"""Memory: the buffers of kernels one by one, and sums that agree with the paper's graph size."""

from __future__ import annotations

import numpy as np
import pytest

from itc.analysis.cost import cost
from itc.ir.net import Apply, Value
from itc.ir.ops.conv import Conv
from itc.ir.ops.norm import BatchNorm
from itc.ir.ops.pointwise import Add, Relu
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat
from itc.ir.types import TensorType
from itc_tile.cost.memory import Residency, buffers, kernel_memory, landing
from itc_tile.cost.traffic import received_elements
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel, copy_kernel
from itc_tile.kernels.regions import needed
from itc_tile.machine.model import load_machine
from itc_tile.tiling.partition import Split, partition
from tests.tile.hand_itnet import itnet, small_itnet

GC200 = load_machine("gc200")
MAP = (4, 8, 8)


def tensor(name: str, *shape: int) -> Value:
    return Value(name, TensorType("f32", shape))


def held(kernel: Kernel, kept: frozenset[str] = frozenset()) -> dict[str, list[list[str]]]:
    """The values of each buffer, by what it is for."""
    found: dict[str, list[list[str]]] = {}
    for buffer in buffers(kernel, kept):
        found.setdefault(buffer.content, []).append([value.name for value in buffer.values])
    return found


def mixing() -> Kernel:
    """x2 + conv(concat(resize(x0), x1)), with x2 = x1: ItNet's mixing."""
    x0, x1, p0 = tensor("x0", 4, 4, 4), tensor("x1", *MAP), tensor("p0", 4, 8, 3, 3)
    v = [tensor("v0", *MAP), tensor("v1", 8, 8, 8), tensor("v2", *MAP), tensor("v3", *MAP)]
    body = (
        Apply(Resize(factor=2), (x0,), (v[0],)),
        Apply(Concat(), (v[0], x1), (v[1],)),
        Apply(Conv(pad=(1, 1)), (v[1], p0), (v[2],)),
        Apply(Add(), (x1, v[2]), (v[3],)),
    )
    return Kernel("mix", body, (x0, x1), (p0,), v[3])


def test_what_is_assembled_by_the_exchange_has_one_buffer() -> None:
    kernel = mixing()
    assert held(kernel) == {"inputs": [["x1"], ["v1"]], "output": [["v2", "v3"]]}
    assert [value.name for value in landing(kernel, 0, frozenset())] == ["v0"]
    assert [value.name for value in landing(kernel, 1, frozenset())] == ["x1"]


def test_a_halo_is_memory_on_both_sides() -> None:
    kernel = mixing()
    regions = needed(kernel, partition(MAP, Split(rows=2)))
    memory = kernel_memory(kernel, regions, Residency((1,)), GC200)
    assert memory["output"].tolist() == [4 * 4 * 8 * 4] * 2
    residual, assembled = 4 * 5 * 8, 8 * 5 * 8  # both come with the row of the other half
    assert memory["inputs"].tolist() == [(residual + assembled) * 4] * 2
    assert memory["parameters"].tolist() == [4 * 8 * 9 * 4] * 2


def normed(*, kept: bool) -> dict[str, list[list[str]]]:
    """conv(relu(norm(x0))), where x0 may stay the same in a whole loop."""
    x, v = tensor("x0", *MAP), [tensor(f"v{i}", *MAP) for i in range(3)]
    norms = tuple(tensor(f"p{i}", 4) for i in range(4))
    weight = tensor("p4", 4, 4, 3, 3)
    body = (
        Apply(BatchNorm(), (x, *norms), (v[0],)),
        Apply(Relu(), (v[0],), (v[1],)),
        Apply(Conv(pad=(1, 1)), (v[1], weight), (v[2],)),
    )
    return held(Kernel("normed", body, (x,), (*norms, weight), v[2]), frozenset({"x0"} if kept else set()))


def test_pointwise_operations_work_in_place_unless_the_input_is_read_again() -> None:
    assert normed(kept=False) == {"inputs": [["x0", "v0", "v1"]], "output": [["v2"]]}
    assert normed(kept=True) == {"inputs": [["x0"]], "scratch": [["v0", "v1"]], "output": [["v2"]]}


def test_a_copy_is_one_buffer_unless_its_input_is_read_again() -> None:
    kernel = copy_kernel(TensorType("f32", MAP))
    assert held(kernel) == {"output": [["x0"]]}
    assert held(kernel, frozenset({"x0"})) == {"inputs": [["x0"]], "output": [["x0"]]}


def test_a_head_keeps_no_full_map() -> None:
    """The head of ItNet holds the classes at the state's size, and two rows of the image's."""
    node = KernelGraph(fuse(itnet())).instances["head_1"]
    memory = whole_memory(node.kernel, Residency((1, 1)))
    assert memory["output"] == 11 * 90 * 120 * 4
    assert memory["rows being sent"] == 2 * 11 * 480 * 4


def whole_memory(kernel: Kernel, keeping: Residency) -> dict[str, int]:
    regions = needed(kernel, partition(kernel.result.tensor.shape, Split()))
    return {name: int(each[0]) for name, each in kernel_memory(kernel, regions, keeping, GC200).items()}


@pytest.mark.parametrize("shared", [True, False])
def test_unsplit_kernels_hold_the_graph_size(shared: bool) -> None:
    """Inputs, weights and results of convolutions are what the paper counts; norms and residuals come on top."""
    graph = KernelGraph(fuse(small_itnet(4, shared)))
    keeping, total = graph.residency, 0
    for label, node in graph.instances.items():
        if not node.kernel.counted:
            continue
        memory = whole_memory(node.kernel, keeping[label])
        residual = sum(v.tensor.bytes for v in node.kernel.inputs if residual_only(node.kernel, v))
        norms = sum(
            p.tensor.bytes * count
            for p, count in zip(node.kernel.params, keeping[label].sets, strict=True)
            if not any(p in apply.values and apply.op.counted for apply in node.kernel.body)
        )
        total += node.replicas * (memory["inputs"] + memory["output"] + memory["parameters"] - residual - norms)
    assert total == cost(small_itnet(4, shared)).graph_bytes


def residual_only(kernel: Kernel, value: Value) -> bool:
    """Whether an input is added behind the convolution, from a buffer of its own."""
    return any(isinstance(apply.op, Add) and value in apply.values for apply in kernel.body)


def test_inputs_that_stay_the_same_in_a_loop() -> None:
    graph = KernelGraph(fuse(small_itnet()))
    assert all(not residency.inputs for residency in graph.residency.values())


def test_a_resize_to_fewer_places_takes_only_these() -> None:
    x, y = tensor("x0", 3, 8, 9), tensor("v0", 3, 4, 3)
    kernel = Kernel("resize", (Apply(Resize(), (x, tensor("s0", 1, 4, 3)), (y,)),), (x,), (), y)
    sizes = needed(kernel, np.array([[[0, 3], [0, 4], [0, 3]], [[0, 1], [1, 2], [1, 3]]]))["x0"]
    assert received_elements(kernel, "x0", sizes).tolist() == [3 * 4 * 3, 2]
