"""The module as torch users handle it: checkpoints, copies, moves, graphs that do not grow, and its text."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import fx, nn

from itc import weights as checkpoints
from itc.diagnostics import CompileError
from itc.ir import Net, parse_net, verify
from itc.source import Source
from itc_dsl import load_net
from itc_torch import Network, backend, init, load_weights, lower, run, text
from tests.random_nets import random_inputs, random_weights
from tests.torch.forms import tensors

FORMS = ["rolled", "unrolled"]
LOOP = """
net @loop(%image: f32[2, 6, 6]) {{
  param @w: {count} x f32[2, 2, 3, 3] {{role = weight, init = kaiming}}
  %last, %all = loop %t in 1..{count} carry (%s = %image) {{
    %1 = when %t in {{2..{count}}} {{
      %2 = conv(%s, @w[%t in {{1..{count}}}]) {{pad = [1, 1]}}: f32[2, 6, 6]
      yield %2
    }} else {{
      yield %s
    }}: f32[2, 6, 6]
    emit when %t in {{1..{count}}} {{
      yield %1
    }}
    yield %1
  }}: f32[2, 6, 6], {count} x f32[2, 6, 6]
  return %all {{name = all, at = {{1..{count}}}}}
}}
"""


def loop(count: int) -> Net:
    return verify(parse_net(LOOP.format(count=count)))


@pytest.fixture
def everything() -> Net:
    return verify(parse_net((Path(__file__).parent / "golden" / "everything.itir").read_text(encoding="utf-8")))


def nodes(module: nn.Module) -> int:
    return sum(len(part.graph.nodes) for part in module.modules() if isinstance(part, fx.GraphModule))


def test_rolled_graphs_do_not_grow_with_the_loop() -> None:
    few, many = lower(loop(4)), lower(loop(64))
    assert nodes(few) == nodes(many)
    assert len(list(few.modules())) == len(list(many.modules()))
    assert nodes(lower(loop(64), "unrolled")) > 64


def test_a_flat_graph_holds_no_graph() -> None:
    module = lower(loop(4), "unrolled")
    assert [part for part in module.modules() if isinstance(part, fx.GraphModule)] == [module]


def test_states_are_one_in_both_forms(everything: Net) -> None:
    rolled, unrolled = lower(everything, "rolled"), lower(everything, "unrolled")
    assert list(rolled.state_dict()) == list(unrolled.state_dict())
    assert set(rolled.state_dict()) == {param.key for param in everything.params}
    unrolled.load_state_dict(rolled.state_dict(), strict=True)
    assert {key for key, _ in rolled.named_buffers()} == {p.key for p in everything.params if not p.trained}


def test_fresh_values_are_those_of_the_interpreter(everything: Net) -> None:
    module = lower(everything)
    expected = checkpoints.initial(everything)
    assert all(np.array_equal(value.numpy(), expected[key]) for key, value in module.state_dict().items())
    init(module, everything, seed=7)
    expected = checkpoints.initial(everything, 7)
    assert all(np.array_equal(value.numpy(), expected[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("form", FORMS)
def test_checkpoints_go_both_ways(everything: Net, form: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    expected = random_weights(everything)
    checkpoints.save(path, expected)
    module = lower(everything, form)
    module.load_state_dict(load_file(path))
    save_file(module.state_dict(), path)
    again = checkpoints.load(path, everything)
    assert all(np.array_equal(again[key], expected[key]) for key in expected)


def test_weights_that_do_not_fit_are_all_named(everything: Net) -> None:
    values = random_weights(everything)
    values["extra"] = values.pop("stem.conv.weight")
    values["head.conv.bias"] = values["head.conv.bias"][:2]
    with pytest.raises(CompileError) as raised:
        load_weights(lower(everything), values)
    codes = [diagnostic.code for diagnostic in raised.value.diagnostics]
    assert codes == ["E0612", "E0612", "E0613"]
    assert all(
        word in str(raised.value) for word in ("stem.conv.weight", "extra", "head.conv.bias", "[2, 2]", "[5, 2]")
    )


@pytest.mark.parametrize("form", FORMS)
def test_copies_are_whole_and_their_own(everything: Net, form: str) -> None:
    module = lower(everything, form).eval()
    twin = copy.deepcopy(module)
    assert isinstance(twin, Network)
    inputs = tensors(random_inputs(everything))
    assert all(torch.equal(a, b) for a, b in zip(module(*inputs).values(), twin(*inputs).values(), strict=True))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert not torch.equal(module(*inputs)["label"], twin(*inputs)["label"])
    assert [label for label, _ in twin.iterate(*inputs)] == [label for label, _ in module.iterate(*inputs)]


@pytest.mark.parametrize("form", FORMS)
def test_a_module_moves_as_one(everything: Net, form: str) -> None:
    module = lower(everything, form).to(torch.float64)
    outputs = module.eval()(*(tensor.double() for tensor in tensors(random_inputs(everything))))
    assert all(output.dtype == torch.float64 for output in outputs.values())
    meta = module.to("meta")
    assert all(value.is_meta for value in meta.state_dict().values())


def test_run_is_inference_and_keeps_the_mode(everything: Net) -> None:
    module = lower(everything).train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    outputs = run(module, random_inputs(everything))
    assert module.training
    assert tuple(outputs) == everything.labels
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_the_backend_is_found_and_runs(everything: Net) -> None:
    inputs, weights = random_inputs(everything), random_weights(everything)
    modules = backend.modules
    assert modules
    module = modules.lower(everything, "unrolled")
    load_weights(module, weights)
    expected, found = run(module, inputs), modules.forward(everything, inputs, weights)
    assert all(np.allclose(found[label], expected[label], atol=1e-5) for label in expected)
    assert backend.name == "torch"


def test_text_shows_every_graph_once(everything: Net) -> None:
    rolled, unrolled = text(everything), text(everything, "unrolled")
    assert rolled.count("def forward(") == 10
    assert unrolled.count("def forward(") == 1
    assert rolled.count("torch.nn.functional.dropout") == 1
    assert unrolled.count("torch.nn.functional.dropout") == 6
    assert " = None" not in rolled + unrolled
    assert len(text(loop(64)).splitlines()) == len(text(loop(4)).splitlines())


@pytest.mark.parametrize(
    "key", ["train.w", "forward", "net.type.w", "graph.w", "net.training", "net.parameters", "net.class.w"]
)
def test_keys_that_torch_keeps_for_itself(key: str) -> None:
    net = parse_net(LOOP.format(count=4).replace("@w", f"@{key}"))
    with pytest.raises(CompileError, match="E0290") as raised:
        lower(verify(net))
    assert key in str(raised.value)
    with pytest.raises(CompileError, match="E0290"):
        backend.targets[0].text(net)


def test_a_key_inside_another() -> None:
    text = LOOP.format(count=4).replace("  %last", "  param @w.w: f32[2] {role = bias, init = zeros}\n  %last")
    net = parse_net(text.replace("conv(%s, @w[%t in {1..4}])", "conv(%s, @w[%t in {1..4}], @w.w)"))
    with pytest.raises(CompileError, match="E0290"):
        lower(verify(net))


def test_without_torch_the_import_says_what_to_install() -> None:
    command = "import sys; sys.modules['torch'] = None; from itc_torch import lower"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "ImportError: itc_torch needs PyTorch: pip install 'itc-compiler[torch]'" in found.stderr


def test_the_text_of_graphs_takes_no_memory_by_the_weights() -> None:
    spec = "@loop(1000000)\n@share(none)\niterative r(carry x):\n    x = conv(x, 100, 9)\n"
    spec += "network n:\n    input image: f32[100, 8, 8]\n    emit y = r(image)\n"
    net = load_net(Source("spec.itn", spec))
    assert "conv" in text(net)
    with pytest.raises(CompileError, match="1,000,000 operations"):
        text(net, "unrolled")
