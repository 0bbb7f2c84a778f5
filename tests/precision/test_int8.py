"""Int8 nets: tiles and torch equal the interpreter bit by bit; scales, types, memory and accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from itc.diagnostics import CompileError
from itc.driver import load
from itc.interpreter import interpret
from itc.ir import parse_net, print_net, verify, walk
from itc.ir.net import Loop
from itc.ir.precision import precision
from itc.passes import WrongPass
from itc.transforms.quantize import Quantize
from itc_tile.machine.model import Machine
from itc_tile.simulate.values import simulate
from tests.precision.agreement import worst
from tests.random_nets import Case, Limits, cases, on_random_nets, random_weights
from tests.tile.machines import compiled, machines
from tests.zoo.reduced import QUICK, SEEDS, first_networks, reduced, weights_and_inputs

SMALL = Limits(size=8, channels=4, iterations=3, statements=3)
few = settings(on_random_nets, max_examples=20, suppress_health_check=list(HealthCheck))
INT8 = Quantize(8, samples=2)
HALTING = {"iterative_net", "iamnn", "tiny_recursive_model", "faster_rcnn_iterative", "upernet_iterative"}
#: Its sums of float32 between the products are added in another order.
FLOATS = {"recurrent_depth"}
#: In f32 between: their maxima, regions and sums over tokens are not of the int8 arithmetic.
FIRST = tuple(each for each in first_networks() if each[1] not in HALTING | FLOATS)
QUICKLY = tuple(each for each in FIRST if each[1] in ("itnet", "universal_transformer"))


def equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(found[label], value, equal_nan=True) for label, value in expected.items())


def check(case: Case, machine: Machine) -> None:
    narrow = INT8(case.net)
    weights = narrow.adapt(case.weights)
    found = simulate(compiled(narrow.net, machine), case.inputs, weights)
    assert equal(found, interpret(narrow.net, case.inputs, weights))


@few
@given(cases(SMALL), machines())
def test_random_nets_are_equal_on_tiles(case: Case, machine: Machine) -> None:
    check(case, machine)


@pytest.mark.long
@settings(few, max_examples=60)
@given(cases(Limits()), machines())
def test_larger_random_nets_are_equal_on_tiles(case: Case, machine: Machine) -> None:
    check(case, machine)


def check_network(path: Path, name: str, machine: str) -> None:
    net = reduced(path, name, **QUICK.get(path.stem, {}))
    weights, inputs = weights_and_inputs(net, 1, SEEDS.get(name, 0))
    program = net.after(INT8).compile(machine)
    narrow = INT8(net.ir).adapt(weights)
    assert equal(program.run(inputs, narrow), program.network.interpret(inputs, narrow))


@pytest.mark.parametrize("machine", ["edge-32", "edge-128"])
@pytest.mark.parametrize(("path", "name"), QUICKLY, ids=[name for _, name in QUICKLY])
def test_networks_of_the_zoo(path: Path, name: str, machine: str) -> None:
    check_network(path, name, machine)


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), [each for each in FIRST if each not in QUICKLY])
def test_other_networks_of_the_zoo(path: Path, name: str) -> None:
    check_network(path, name, "edge-128")


def test_torch_is_equal_in_every_form() -> None:
    """But for what torch adds in another order, in f32 at the outputs."""
    pytest.importorskip("torch")
    from itc_torch.inference import run
    from tests.torch.forms import modules

    net = load("examples/itnet.itn", f=4, iterations=3, exits=[1, 3], height=24, width=32)
    narrow = INT8(net.ir)
    weights = narrow.adapt(net.weights())
    inputs = {"image": np.random.default_rng(3).random((2, 3, 24, 32), np.float32)}
    expected = interpret(narrow.net, inputs, weights)
    for form, module in modules(narrow.net, weights).items():
        assert worst(run(module, inputs), expected) < 1e-6, form


TYPES = """net @types(%image: f32[3, 8, 8]) {
  param @conv.weight: 4 x f32[3, 3, 3, 3] {role = weight, init = kaiming}
  param @conv.bias: f32[3] {role = bias, init = zeros}
  param @linear.weight: f32[5, 3] {role = weight, init = uniform}
  %last, %seen = loop %t in 1..4 carry (%x = %image) {
    %1 = conv(%x, @conv.weight[%t], @conv.bias) {pad = [1, 1]}: f32[3, 8, 8]
    %2 = relu(%1): f32[3, 8, 8]
    %3 = softmax(%2): f32[3, 8, 8]
    %4 = add(%x, %3): f32[3, 8, 8]
    emit when %t in {2, 4} {
      %5 = global_pool(%4): f32[3]
      %6 = linear(%5, @linear.weight): f32[5]
      yield %6
    }
    yield %4
  }: f32[3, 8, 8], 2 x f32[5]
  return %seen {name = seen, at = {2, 4}}
  return %last {name = last}
}
"""


def test_types_and_scales() -> None:
    """One scale for a carry over all iterations, one set of weights and scales an iteration; softmax in f32 between."""
    net = verify(parse_net(TYPES))
    narrow = INT8(net)
    assert parse_net(print_net(narrow.net)) == narrow.net and precision(narrow.net) == "i8"
    (loop,) = (statement for statement in narrow.net.body if isinstance(statement, Loop))
    assert [str(value.type) for value in loop.results] == ["i8[3, 8, 8]", "2 x f32[5]"]
    params = {param.key: str(param.type) for param in narrow.net.params}
    assert params["conv.weight"] == "i8[3, 3, 3, 3]" and narrow.net.param["conv.weight"].sets == (4,)
    assert params["conv.weight_scale"] == "f32[3]" and narrow.net.param["conv.weight_scale"].sets == (4,)
    assert params["conv.bias"] == "f32[3]" and params["linear.weight_scale"] == "f32[5]"
    assert {key for key in params if key.startswith("scales.")} == {"scales.image", "scales.2", "scales.5"}
    types = {value.name: str(value.type) for s in walk(narrow.net.body) for value in getattr(s, "results", ())}
    assert types["1_sums"] == "i32[3, 8, 8]" and types["3"] == "f32[3, 8, 8]" and types["2_i8"] == "i8[3, 8, 8]"
    weights = random_weights(net)
    made = narrow.adapt(weights)
    assert made["conv.weight"].dtype == np.int8 and int(np.abs(made["conv.weight"]).max()) == 127
    restored = made["conv.weight"] * made["conv.weight_scale"][..., None, None, None]
    assert (np.abs(restored - weights["conv.weight"]) <= made["conv.weight_scale"][..., None, None, None] * 0.501).all()


def test_scales_are_of_the_inputs_that_are_given() -> None:
    net = load("examples/itnet.itn", f=4, iterations=2, exits=[2], height=24, width=32)
    inputs = {"image": np.linspace(-2, 3, 2 * 3 * 24 * 32, dtype=np.float32).reshape(2, 3, 24, 32)}
    given_inputs = net.quantize("i8", inputs).weights()
    drawn = net.quantize("i8", samples=1)
    weights = drawn.weights()
    assert weights["scales.image"] < given_inputs["scales.image"]
    assert given_inputs["scales.image"] >= np.float32(3 / 127)
    assert all(np.array_equal(value, weights[key]) for key, value in drawn.weights().items())
    assert drawn.cost().param_bytes < 0.5 * net.cost().param_bytes and drawn.cost().params == net.cost().params
    with pytest.raises(CompileError, match="E0661"):
        net.quantize("i8", {"image": inputs["image"][:, :2]}).weights()
    for options, message in (({"bits": 4}, "16 or 8"), ({"samples": 0}, "at least 1")):
        with pytest.raises(WrongPass, match=message):
            Quantize(**options)


def test_a_machine_without_units_for_int8_is_refused() -> None:
    net = load("examples/itnet.itn", f=4, iterations=2, exits=[2], height=24, width=32)
    with pytest.raises(CompileError, match="E0513"):
        net.compile("gc200", precision="i8")
    found, single = (net.compile("edge-16", precision=each).report for each in ("i8", "f32"))
    assert found.precision == "i8" and found.host.parameter_bytes < 0.5 * single.host.parameter_bytes


def test_activations_take_a_byte_on_tiles() -> None:
    """Sums in i32 are narrowed a row at a time, so that a map of i8 takes a quarter of one of f32."""
    text = """net @one(%image: f32[4, 64, 64]) {
  param @a.weight: f32[4, 4, 3, 3] {role = weight, init = kaiming}
  param @b.weight: f32[4, 4, 3, 3] {role = weight, init = kaiming}
  %0 = conv(%image, @a.weight) {pad = [1, 1]}: f32[4, 64, 64]
  %1 = relu(%0): f32[4, 64, 64]
  %2 = conv(%1, @b.weight) {pad = [1, 1]}: f32[4, 64, 64]
  %3 = global_pool(%2): f32[4]
  return %3 {name = y}
}
"""
    from itc_tile.cost.memory import kernel_memory
    from itc_tile.kernels.fusion import fuse
    from itc_tile.kernels.graph import KernelGraph
    from itc_tile.machine.model import load_machine
    from itc_tile.program.program import regions
    from itc_tile.tiling.partition import Split

    machine = load_machine("edge-16")
    sizes = {}
    for name, net in {"f32": verify(parse_net(text)), "i8": INT8(verify(parse_net(text))).net}.items():
        graph = KernelGraph(fuse(net))
        label = next(label for label in graph.instances if label.startswith("a"))
        node = graph.instances[label]
        memory = kernel_memory(node.kernel, regions(node, Split(1, 1, 1)), graph.residency[label], machine)
        sizes[name] = {content: int(value.max()) for content, value in memory.items()}
    assert sizes["f32"]["output"] == 4 * sizes["i8"]["output"] == 4 * 4 * 64 * 64
    assert sizes["i8"]["scratch"] <= 4 * 64 * 64 and sizes["i8"]["rows being sent"] <= 8 * 4 * 64
