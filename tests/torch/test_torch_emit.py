"""Written modules: golden text, formatted as formatters do, and usable where itc is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from safetensors.numpy import load_file, save_file

from itc.interpreter import interpret
from itc.ir import Net, Output, Param, parse_net, verify
from itc_torch import emit_module
from itc_torch.names import class_name
from tests.conftest import Golden
from tests.random_nets import nets, on_random_nets, random_inputs, random_weights
from tests.rounding import close, tolerances
from tests.torch.forms import modules, tensors

HERE = Path(__file__).parent
EVERYTHING = HERE / "golden" / "everything.itir"

RUNNER = """
import sys
for name in ("itc", "itc_torch", "itc_dsl", "numpy.nothing"):
    sys.modules[name] = None
import importlib.util
import torch
from safetensors.torch import load_file, save_file
spec = importlib.util.spec_from_file_location("written", sys.argv[1])
written = importlib.util.module_from_spec(spec)
spec.loader.exec_module(written)
module = getattr(written, sys.argv[2])()
module.load_state_dict(load_file(sys.argv[3]), strict=True)
with torch.no_grad():
    outputs = module.eval()(**load_file(sys.argv[4]))
save_file({label: output.contiguous() for label, output in outputs.items()}, sys.argv[5])
"""


def everything() -> Net:
    """A net with loops in loops, regions, series, sets of every kind, and several outputs."""
    return verify(parse_net(EVERYTHING.read_text(encoding="utf-8"), EVERYTHING.name))


def test_golden(golden: Golden) -> None:
    golden(HERE / "golden" / "everything.py.txt", emit_module(everything()))


def test_text_is_deterministic() -> None:
    assert emit_module(everything()) == emit_module(everything())


def test_a_written_module_needs_no_itc(tmp_path: Path) -> None:
    net = everything()
    weights, inputs = random_weights(net), random_inputs(net)
    (tmp_path / "written.py").write_text(emit_module(net), encoding="utf-8")
    save_file(weights, tmp_path / "weights.safetensors")
    save_file(inputs, tmp_path / "inputs.safetensors")
    names = ["written.py", class_name(net.name), "weights.safetensors", "inputs.safetensors", "outputs.safetensors"]
    subprocess.run([sys.executable, "-W", "error", "-c", RUNNER, *names], cwd=tmp_path, check=True)
    outputs = load_file(tmp_path / "outputs.safetensors")
    expected = interpret(net, inputs, weights)
    assert set(outputs) == set(net.labels)
    close(outputs, expected, tolerances(net, inputs, weights, expected))


@settings(on_random_nets, max_examples=40)
@given(nets())
def test_every_written_module_compiles_and_names_no_itc(net: Net) -> None:
    text = emit_module(net)
    compile(text, "written", "exec")
    assert "import itc" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_written_text_is_formatted(tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    texts: list[str] = [emit_module(everything())]

    @on_random_nets
    @given(nets())
    def collect(net: Net) -> None:
        texts.append(emit_module(net))

    collect()
    for number, text in enumerate(texts):
        (tmp_path / f"module{number}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "--diff", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


HOSTILE = ("self", "F", "torch", "range", "x", "outputs", "LABELS", "EXITS", "1", "import_", "nn", "math", "_")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_python_has_already(name: str) -> None:
    """The same name for the net, an input, a value, a loop's carry and a part of a key."""
    net = verify(
        parse_net(f"""
net @{name}(%{name}: f32[2, 4, 4]) {{
  param @{name}.{name}: f32[2, 2, 1, 1] {{role = weight, init = kaiming}}
  param @top: f32[2] {{role = scale, init = ones}}
  param @{name}.shift: f32[2] {{role = shift, init = zeros}}
  param @{name}.parts.0.mean: f32[2] {{role = mean, init = zeros}}
  param @{name}.parts.1.var: f32[2] {{role = var, init = "0.5"}}
  %{name}_2 = conv(%{name}, @{name}.{name}): f32[2, 4, 4]
  %0 = batch_norm(%{name}_2, @top, @{name}.shift, @{name}.parts.0.mean, @{name}.parts.1.var): f32[2, 4, 4]
  %r, %s = loop %{name}_3 in 1..7 carry (%{name}_4 = %0) {{
    %{name}_5 = add(%{name}_4, %{name}): f32[2, 4, 4]
    emit when %{name}_3 in {{1, 2, 3, 5, 7}} {{
      yield %{name}_5
    }}
    yield %{name}_5
  }}: f32[2, 4, 4], 5 x f32[2, 4, 4]
  return %s {{name = "{name}", at = {{1, 2, 3, 5, 7}}}}
  return %r {{name = "quote' brace{{ double\\" back\\\\slash"}}
}}
""")
    )
    weights, inputs = random_weights(net), random_inputs(net)
    expected = interpret(net, inputs, weights)
    allowed = tolerances(net, inputs, weights, expected)
    for form, module in modules(net, weights).items():
        outputs = module(*tensors(inputs))
        assert tuple(outputs) == net.labels, form
        close({label: value.detach().numpy() for label, value in outputs.items()}, expected, allowed)


def test_inputs_whose_names_become_one() -> None:
    net = verify(
        parse_net("""
net @class(%class: f32[2], %class_: f32[2], %lambda: f32[2]) {
  %0 = sub(%class, %class_): f32[2]
  %1 = mul(%0, %lambda): f32[2]
  return %1 {name = r}
}
""")
    )
    inputs = random_inputs(net)
    expected = interpret(net, inputs, {})
    for module in modules(net, {}).values():
        close({"r": module(*tensors(inputs))["r"].numpy()}, expected, tolerances(net, inputs, {}, expected))


def test_inputs_that_are_whole_numbers_are_said_to_be() -> None:
    net = parse_net("net @n(%x: f32[2], %ids: i64[2]) {\n%0 = relu(%x): f32[2]\nreturn %0 {name = y}\n}")
    text = emit_module(net)
    assert "Input x: [batch, 2].\n" in text and "Input ids: [batch, 2] of int64.\n" in text


def test_a_spec_name_cannot_leave_its_docstring() -> None:
    text = EVERYTHING.read_text(encoding="utf-8")
    net = parse_net(text, 'a"""; raise SystemExit; """\\')
    names: dict[str, object] = {}
    exec(emit_module(net), names)
    assert class_name(net.name) in names


def test_fresh_values_follow_the_inits() -> None:
    net = everything()
    torch_module = modules(net, random_weights(net))["written"]
    fresh = type(torch_module)().state_dict()
    for param in net.params:
        value = fresh[param.key].numpy()
        assert value.shape == param.shape
        assert fresh_as(param, value), param.key


def fresh_as(param: Param, value: np.ndarray) -> bool:  # type: ignore[type-arg]
    fan_in = int(np.prod(param.type.shape[1:])) or 1
    match param.init:
        case "zeros" | "ones":
            return bool((value == (param.init == "ones")).all())
        case "kaiming":
            return bool(0.5 < value.std() / np.sqrt(2 / fan_in) < 1.5)
        case "uniform":
            return bool(0 < np.abs(value).max() <= 1 / np.sqrt(fan_in))
        case number:
            return bool((value == np.float32(number)).all())


def test_the_everything_net_has_everything() -> None:
    net = everything()
    assert {"kaiming", "uniform", "zeros", "ones", "0.5"} == {param.init for param in net.params}
    assert {0, 1, 2} == {len(param.sets) for param in net.params}
    assert any(isinstance(output, Output) and output.at is None for output in net.outputs)
