"""Properties of whole models: size, halting of each sample, branches and sets, files, refusals, the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

import itc
from itc.cli import app
from itc.diagnostics import CompileError
from itc.ir import Net, parse_net
from itc.weights import initial
from itc_onnx import export, save
from itc_onnx.graph import count_nodes
from tests.onnx.models import difference, run_model
from tests.random_nets import CLOSE, Case, cases, on_random_nets

ITNET = Path(__file__).parents[2] / "examples" / "itnet.itn"
HALTING = """net @adaptive(%image: f32[4, 8, 8]) {
  param @conv.weight: f32[4, 4, 3, 3] {role = weight, init = kaiming}
  param @linear.weight: f32[1, 4] {role = weight, init = uniform}
  %y, %n, %rest = loop %t in 1..6 carry (%x = %image) {
    %0 = conv(%x, @conv.weight) {pad = [1, 1]}: f32[4, 8, 8]
    %1 = global_pool(%0): f32[4]
    %2 = linear(%1, @linear.weight): f32[1]
    %3 = sigmoid(%2): f32[1]
    halt act %3 {limit = 0.5, ponder = 0.0}
    yield %0
  }: f32[4, 8, 8], f32[1], f32[1]
  return %y {name = y}
  return %n {name = "y.iterations"}
  return %rest {name = "y.remainder"}
}
"""
OTHERS = (
    HALTING.replace("act %3 {limit = 0.5", "above %3 {limit = 0.5")
    .replace(", %rest", "")
    .replace("f32[1], f32[1]\n", "f32[1]\n")
    .replace('  return %rest {name = "y.remainder"}\n', "")
)


def sample(net: Net, batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {value.name: rng.normal(size=(batch, *value.tensor.shape)).astype("f4") for value in net.inputs}


@settings(on_random_nets, max_examples=10)
@given(cases())
def test_random_nets(case: Case) -> None:
    assert difference(case.net, case.inputs, case.weights) < CLOSE


def test_the_number_of_nodes_does_not_depend_on_the_iterations() -> None:
    models = [
        export(net.ir, net.weights())
        for net in (itc.load(ITNET, iterations=n, exits=[1, n], height=48, width=64) for n in (4, 64))
    ]
    assert count_nodes(models[0].graph) == count_nodes(models[1].graph)
    assert count_nodes(models[0].graph, "Loop") == 1


@pytest.mark.parametrize("kind", ["act", "above", "below"])
def test_each_sample_halts_by_itself(kind: str) -> None:
    text = HALTING if kind == "act" else OTHERS.replace("above", kind)
    net = parse_net(text)
    inputs, weights = sample(net, 16), initial(net)
    weights["linear.weight"] = weights["linear.weight"] * 8
    counts = run_model(net, inputs, weights)["y.iterations"]
    assert len(np.unique(counts)) > 1
    assert difference(net, inputs, weights) < 1e-4


def test_inputs_outputs_and_batch_keep_their_names() -> None:
    net = itc.load(ITNET, height=48, width=64)
    model = export(net.ir, net.weights())
    assert [value.name for value in model.graph.input] == ["image"]
    assert [value.name for value in model.graph.output] == list(net.ir.labels)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_wrong_weights_are_refused() -> None:
    net = itc.load(ITNET, height=48, width=64).ir
    weights = initial(net)
    first, *_ = weights
    with pytest.raises(CompileError) as raised:
        export(net, {**weights, first: weights[first][:1]})
    assert raised.value.diagnostics[0].code == "E0613"


def test_a_file(tmp_path: Path) -> None:
    net = itc.load(ITNET, height=48, width=64)
    save(tmp_path / "n.onnx", net.ir, net.weights())
    assert onnx.load(tmp_path / "n.onnx") == export(net.ir, net.weights())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--set", "height=48", "--set", "width=64"]
    looped = CliRunner().invoke(app, ["onnx", str(ITNET), "-o", "n.onnx", "--json", *small])
    unrolled = CliRunner().invoke(app, ["onnx", str(ITNET), "-o", "u.onnx", "--json", "--unroll", *small])
    assert (looped.exit_code, unrolled.exit_code) == (0, 0)
    figures = [json.loads(result.output) for result in (looped, unrolled)]
    assert [each["loops"] for each in figures] == [1, 0]
    assert figures[0]["nodes"] == count_nodes(onnx.load("n.onnx").graph) < figures[1]["nodes"]
    assert figures[0]["bytes"] == Path("n.onnx").stat().st_size
    plain = CliRunner().invoke(app, ["onnx", str(ITNET), "-o", "n.onnx", *small]).output
    assert f"({figures[0]['nodes']} nodes, of which 1 `Loop`, " in plain
    assert "weights are random (seed 0)" in plain


def test_without_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("itc_onnx.", "onnx"))]:
        if name != "itc_onnx.command":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = CliRunner().invoke(app, ["onnx", str(ITNET), "-o", str(tmp_path / "n.onnx")])
    assert result.exit_code == 1
    assert "error[E0521]" in result.output
    assert not (tmp_path / "n.onnx").exists()
