"""Float16 nets: what is f16 and what stays f32, and that all ways to run them agree and are near float64."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from itc.diagnostics import CompileError
from itc.driver import load
from itc.interpreter import interpret
from itc.ir import parse_net, print_net, verify, walk
from itc.ir.ops.conv import Conv
from itc.ir.precision import evaluate, precision
from itc.ir.types import TensorType
from itc.transforms.quantize import Quantize
from itc_tile.machine.model import Machine, load_machine
from itc_tile.simulate.values import simulate
from tests.precision.agreement import HALF, in_double, worst
from tests.random_nets import Case, Limits, cases, on_random_nets
from tests.tile.machines import compiled, machines
from tests.zoo.reduced import QUICK, SEEDS, first_networks, reduced, weights_and_inputs

#: Few operations each, so that the quick suite has many nets.
SMALL = Limits(size=8, channels=4, iterations=3, statements=3)
few = settings(on_random_nets, max_examples=20, suppress_health_check=list(HealthCheck))
#: Networks that the machine refuses (E0514), and those in which a rounding chooses regions, maxima or iterations.
HALTING = {"iterative_net", "faster_rcnn_iterative", "upernet_iterative"}
DISCRETE = {"enet", "faster_rcnn101", "iamnn", "tiny_recursive_model"}


def check(case: Case, machine: Machine) -> None:
    """The tiles are as near to float64 as the interpreter is."""
    narrow = Quantize()(case.net)
    weights = narrow.adapt(case.weights)
    expected, exact = interpret(narrow.net, case.inputs, weights), in_double(case.net, case.inputs, case.weights)
    assume(worst(expected, exact) < HALF / 2)
    found = simulate(compiled(narrow.net, machine), case.inputs, weights)
    assert worst(found, exact) <= HALF


@few
@given(cases(SMALL), machines())
def test_random_nets_agree(case: Case, machine: Machine) -> None:
    check(case, machine)


@settings(few, max_examples=4)
@given(cases(replace(SMALL, halting=True)))
def test_torch_agrees_in_every_form(case: Case) -> None:
    pytest.importorskip("torch")
    from itc_torch.inference import run
    from tests.torch.forms import modules

    narrow = Quantize()(case.net)
    assert parse_net(print_net(narrow.net)) == narrow.net
    weights = narrow.adapt(case.weights)
    expected = interpret(narrow.net, case.inputs, weights)
    assume(worst(expected, in_double(case.net, case.inputs, case.weights)) < HALF / 2)
    for form, module in modules(narrow.net, weights).items():
        assert worst(run(module, case.inputs), expected) <= HALF, form


@pytest.mark.long
@settings(few, max_examples=60)
@given(cases(Limits()), machines())
def test_larger_random_nets_agree(case: Case, machine: Machine) -> None:
    check(case, machine)


def check_network(path: Path, name: str, machine: str) -> None:
    net = reduced(path, name, **QUICK.get(path.stem, {}))
    weights, inputs = weights_and_inputs(net, 1, SEEDS.get(name, 0))
    program = net.compile(machine, precision="f16")
    found, expected = program.run(inputs, weights), program.network.interpret(inputs, program.quantized(weights))
    assert worst(found, expected) <= HALF
    assert worst(expected, in_double(net.ir, inputs, weights)) <= HALF
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


FIRST = tuple(each for each in first_networks() if each[1] not in DISCRETE | HALTING)
QUICKLY = tuple(each for each in FIRST if each[1] in ("itnet", "universal_transformer"))


@pytest.mark.parametrize("machine", ["gc200", "edge-32"])
@pytest.mark.parametrize(("path", "name"), QUICKLY, ids=[name for _, name in QUICKLY])
def test_networks_of_the_zoo(path: Path, name: str, machine: str) -> None:
    check_network(path, name, machine)


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), [each for each in FIRST if each not in QUICKLY])
def test_other_networks_of_the_zoo(path: Path, name: str) -> None:
    check_network(path, name, "gc200")


# Types


TYPES = """net @types(%image: f32[3, 8, 8], %ids: i64[4]) {
  param @conv.weight: f32[3, 3, 3, 3] {role = weight, init = kaiming}
  param @norm.weight: 4 x f32[3] {role = scale, init = ones}
  param @norm.bias: 4 x f32[3] {role = shift, init = zeros}
  param @score.weight: f32[1, 3] {role = weight, init = uniform}
  param @table.weight: f32[9, 3] {role = weight, init = normal}
  %rows = embed(%ids, @table.weight): f32[4, 3]
  %last, %seen = loop %t in 1..4 carry (%x = %image) {
    %1 = conv(%x, @conv.weight) {pad = [1, 1]}: f32[3, 8, 8]
    %2 = scale_shift(%1, @norm.weight[%t], @norm.bias[%t]): f32[3, 8, 8]
    emit when %t in {2, 4} {
      %3 = resize(%2) {mode = bilinear, factor = 2}: f32[3, 16, 16]
      yield %3
    }
    yield %2
  }: f32[3, 8, 8], 2 x f32[3, 16, 16]
  %kept, %steps = loop %u in 1..3 carry (%y = %last) {
    %4 = exp(%y): f32[3, 8, 8]
    %5 = sigmoid(%4): f32[3, 8, 8]
    %6 = global_pool(%5): f32[3]
    %7 = linear(%6, @score.weight): f32[1]
    halt above %7 {limit = 0.9, ponder = 0.0}
    yield %5
  }: f32[3, 8, 8], f32[1]
  return %seen {name = seen, at = {2, 4}}
  return %kept {name = kept}
  return %steps {name = steps}
  return %rows {name = rows}
}
"""


def test_what_stays_in_f32() -> None:
    """Inputs, outputs, exits and scores; parameters of norms; what has the range of f32; resizes on the way out."""
    net = verify(parse_net(TYPES))
    narrow = Quantize()(net).net
    types = {value.name: str(value.type) for s in walk(narrow.body) for value in getattr(s, "results", ())}
    assert [str(value.type) for value in narrow.inputs] == ["f32[3, 8, 8]", "i64[4]"]
    assert {output.name: str(output.value.type) for output in narrow.outputs} == {
        output.name: str(output.value.type) for output in net.outputs
    }
    assert types["3"] == "f32[3, 16, 16]" and types["2_f32"] == "f32[3, 8, 8]"
    assert types["4"] == types["kept_f32"] == "f32[3, 8, 8]" and types["steps"] == types["7_f32"] == "f32[1]"
    assert {types[name] for name in ("1", "2", "last", "5", "kept")} == {"f16[3, 8, 8]"}
    params = {param.key: param.type.dtype for param in narrow.params}
    assert params == {
        "conv.weight": "f16", "norm.weight": "f32", "norm.bias": "f32", "score.weight": "f16", "table.weight": "f16"
    }  # fmt: skip
    assert precision(net) == "f32" and precision(narrow) == "f16"
    assert Quantize()(narrow).net == narrow


def test_sums_are_in_f32_and_results_are_rounded_once() -> None:
    """2,048 + 1 is no float16: added one by one in float16, the ones would be lost."""
    x = np.ones((1, 2049, 1, 1), np.float16)
    weight = np.ones((1, 2049, 1, 1), np.float16)
    weight[0, 0] = 2048
    (sums,) = evaluate(Conv(), (x, weight), [TensorType("f16", (1, 1, 1))])
    assert sums.dtype == np.float16 and float(sums[0, 0, 0, 0]) == 4096
    (third,) = evaluate(Conv(), (x[:, :1] / 3, weight[:, 1:2] * 3), [TensorType("f16", (1, 1, 1))])
    assert float(third[0, 0, 0, 0]) == float(np.float16(np.float32(np.float16(1) / 3) * 3))


def test_memory_and_cycles_are_those_of_two_bytes() -> None:
    """Values that are stored in f16 halve transfers, operands and results; products are of the machine's f16 unit."""
    net = load("examples/mobilenet_v2.itn", size=64)
    single, half = (net.compile("edge-64", precision=each).report for each in ("f32", "f16"))
    assert half.precision == "f16"
    assert half.host.parameter_bytes < 0.52 * single.host.parameter_bytes
    assert half.fit.bytes_used < 0.85 * single.fit.bytes_used  # more shards hold the same weights
    assert half.bound.compute_cycles < 0.51 * single.bound.compute_cycles
    assert half.stream.period_cycles < single.stream.period_cycles
    cost = net.quantize("f16").cost()
    assert cost.params == net.cost().params and cost.param_bytes == half.host.parameter_bytes
    assert cost.state_bytes <= net.cost().state_bytes and cost.peak_bytes < net.cost().peak_bytes


def test_what_cannot_be_in_f16_is_a_diagnostic() -> None:
    net = load("examples/mobilenet_v2.itn", size=64)
    weights = net.weights()
    key = next(key for key in weights if key.endswith("conv.weight"))
    weights[key] = weights[key] + 1e5
    with pytest.raises(CompileError, match=rf"E0570.*{key}"):
        net.quantize("f16").adapt(weights)
    edge = load_machine("edge-16")
    single = edge.model_copy(update={"compute": {"f32": edge.compute["f32"]}})
    with pytest.raises(CompileError, match=r"E0513.*no unit for f16"):
        net.compile(single, precision="f16")
    with pytest.raises(ValueError, match="f32, f16 or i8, not 'bf16'"):
        net.quantize("bf16")


def test_a_program_takes_the_weights_of_both_networks() -> None:
    net = load("examples/itnet.itn", f=4, iterations=2, exits=[2], height=24, width=32)
    program = net.compile("edge-16", precision="f16")
    inputs = {"image": np.random.default_rng(0).random((1, 3, 24, 32), np.float32)}
    weights = net.weights()
    found = program.run(inputs, weights)
    assert all(np.array_equal(found[k], v) for k, v in program.run(inputs, program.network.weights()).items())
    del weights[next(iter(weights))]
    with pytest.raises(CompileError, match="E0612"):
        program.run(inputs, weights)


@pytest.mark.parametrize(
    ("arguments", "flag"), [(["--precision", "bf16"], "--precision"), (["--after", "none"], "--after")]
)
def test_an_unknown_precision_or_pass_is_a_wrong_use(arguments: list[str], flag: str) -> None:
    """Status 2, with the usage, by the quick way to a command too."""
    command = [sys.executable, "-m", "itc", "cost", "examples/itnet.itn", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and flag in done.stderr and "Traceback" not in done.stderr
