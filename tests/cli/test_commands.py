"""The subcommands as a user calls them: what they print, which files they write, and the status they leave with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import itc
from itc import weights
from itc.cli import app
from itc.cli.agreement import difference
from itc.cli.run import top_classes
from itc.diagnostics import CompileError
from itc.files import folder, write_text
from itc.ir.types import TensorType
from itc.pictures import read_picture

EXAMPLES = Path(__file__).parents[2] / "examples"
ITNET = str(EXAMPLES / "itnet.itn")
SMALL = ["iterations=3", "exits=[1, 3]", "height=24", "width=32", "f=11", "classes=4"]
OPTIONS = [part for setting in SMALL for part in ("--set", setting)]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def small() -> itc.Network:
    return itc.load(ITNET, iterations=3, exits=[1, 3], height=24, width=32, f=11, classes=4)


def test_check_says_what_is_in_each_network() -> None:
    result = invoke("check", ITNET)
    assert result.exit_code == 0
    assert [line.split(": ")[1] for line in result.output.splitlines()] == [
        "itnet",
        "itnet_independent",
        "itnet_every4",
        "itnet_norms",
        "itnet_cityscapes",
        "itnet_cityscapes_independent",
    ]


def test_check_says_what_is_wrong_with_all_networks_once(tmp_path: Path) -> None:
    (tmp_path / "spec.itn").write_text(
        "block half(x, f):\n    return conv(x, f / 2)\n\n"
        "network a(f=3):\n    input x: f32[3, 8, 8]\n    emit y = half(x, f)\n\n"
        "network b = a(f=5)\n\n"
        "network c:\n    input x: f32[3, 8, 8]\n    emit y = x + conv(x, 5)\n"
    )
    errors = json.loads(invoke("check", str(tmp_path / "spec.itn"), "--json").output)["errors"]
    assert [error["code"] for error in errors] == ["E0305", "E0305", "E0301"]
    assert "did you mean" in invoke("check", str(tmp_path / "spce.itn")).output


@pytest.mark.long
def test_many_large_networks_share_a_bound(tmp_path: Path) -> None:
    block = "block deep(x):\n    for i in range(15000):\n        x = relu(x)\n    return x\n\n"
    nets = (f"network n{i}:\n    input x: f32[3, 8, 8]\n    emit y = deep(x)\n\n" for i in range(100))
    (tmp_path / "spec.itn").write_text(block + "".join(nets))
    (error,) = json.loads(invoke("check", str(tmp_path / "spec.itn"), "--json").output)["errors"]
    assert error["code"] == "E0391"
    assert "--network" in error["help"]
    assert invoke("check", str(tmp_path / "spec.itn"), "--network", "n99").exit_code == 0


@pytest.mark.parametrize("stage", ["ast", "ir", "tile", "torch"])
def test_every_stage_has_a_text(stage: str) -> None:
    options = {"ast": list[str](), "tile": ["--machine", "edge-16", *OPTIONS]}.get(stage, OPTIONS)
    result = invoke("show", ITNET, "--stage", stage, *options)
    assert result.exit_code == 0
    assert "refine" in result.output
    assert len(result.output.splitlines()) > 40


@pytest.mark.parametrize("stage", ["ir", "tile"])
def test_the_text_of_a_stage_does_not_grow_with_the_loop(stage: str) -> None:
    def lines(n: int) -> int:
        settings = [*OPTIONS, "--set", f"iterations={n}", "--set", "exits=[1, 4]"]
        machine = ["--machine", "edge-16"] if stage == "tile" else []
        return len(invoke("show", ITNET, "--stage", stage, *machine, *settings).output.splitlines())

    assert lines(4) == lines(64)


def test_emit_writes_a_module_that_gives_the_same_values(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    result = invoke("emit", ITNET, "--to", "torch", "-o", str(tmp_path / "module.py"), *OPTIONS)
    assert result.exit_code == 0
    net = small()
    values = net.weights()
    image = np.random.default_rng(1).random((2, 3, 24, 32), np.float32)
    expected = net.interpret({"image": image}, values)
    weights.save(tmp_path / "w.safetensors", values)
    np.save(tmp_path / "image.npy", image)
    script = (
        "import sys, torch, numpy, safetensors.torch, module\n"
        "net = module.Itnet().eval()\n"
        "net.load_state_dict(safetensors.torch.load_file('w.safetensors'))\n"
        "with torch.no_grad(): out = net(torch.from_numpy(numpy.load('image.npy')))\n"
        "assert not any(name.split('.')[0] in ('itc', 'itc_torch') for name in sys.modules)\n"
        "numpy.savez('out.npz', **{k: v.numpy() for k, v in out.items()})\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    with np.load(tmp_path / "out.npz") as found:
        assert list(found) == list(expected)
        for label in found:
            assert np.abs(found[label] - expected[label]).max() <= 1e-4 * np.abs(expected[label]).max()
    assert torch


def run_json(tmp_path: Path, *options: str) -> dict[str, Any]:
    result = invoke("run", ITNET, "-m", "edge-16", "--json", "--out", str(tmp_path / "out"), *OPTIONS, *options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_run_on_a_picture(tmp_path: Path) -> None:
    found = run_json(tmp_path, "--input", str(EXAMPLES / "blue_marble.jpg"))
    assert found["weights"] == "random, seed 0"
    assert found["agreement"]["against"] in ("torch", "the interpreter")
    assert set(found["agreement"]["outputs"]) == {"segmentation@1", "segmentation@3"}
    assert max(found["agreement"]["outputs"].values()) <= 1e-4
    assert found["machine"]["fit"]["tiles_used"] <= found["machine"]["fit"]["tiles"] == 64
    assert found["machine"]["stream"]["ratio"] >= 1
    for path in found["pictures"]:
        with Image.open(path) as picture:
            assert picture.size[0] > 32
    assert len(found["pictures"]) == 2


def test_run_with_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path, small().weights(seed=5))
    found = run_json(tmp_path, "--weights", str(path))
    assert found["weights"] == str(path)
    assert max(found["agreement"]["outputs"].values()) <= 1e-4


def test_run_for_people(tmp_path: Path) -> None:
    result = invoke("run", ITNET, "-m", "edge-16", "--out", str(tmp_path), *OPTIONS)
    assert "weights: random, seed 0" in result.output
    assert "images a second" in result.output
    assert "it fits" in result.output


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "machine.yaml").write_text("tiles: -1\n")
    weights.save(tmp_path / "w.safetensors", {"a": np.zeros(3, np.float32)})
    for options, code in [
        (["--input", str(tmp_path / "none.png")], "E0630"),
        (["--input", str(tmp_path / "text.png")], "E0631"),
        (["--weights", str(tmp_path / "w.safetensors")], "E0612"),
        (["--weights", str(tmp_path / "text.png")], "E0611"),
        (["--machine", str(tmp_path / "machine.yaml")], "E050"),
        (["--machine", "gc2000"], "E0501"),
        (["--set", "f=banana"], "E0"),
        (["--set", "g=1"], "E0212"),
    ]:
        result = invoke("run", ITNET, "--out", str(tmp_path / "out"), *OPTIONS, *options)
        assert result.exit_code == 1, options
        assert f"error[{code}" in result.output, result.output
        assert not (tmp_path / "out").exists()


def test_errors_as_json() -> None:
    result = invoke("check", ITNET, "--json", "--set", "exits=[1, 20]")
    assert result.exit_code == 1
    (error,) = json.loads(result.output)["errors"]
    assert error["code"] == "E0403"
    assert error["labels"][0]["line"] == 1


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["run"], ["cost", ITNET, "--nope"], ["show", ITNET, "--stage", "x"]]
)
def test_a_wrong_use_of_the_command_line_is_status_2(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_version_and_machines() -> None:
    assert invoke("--version").output == f"itc {itc.__version__}\n"
    names = [machine["name"] for machine in json.loads(invoke("machines", "--json").output)]
    assert {"gc200", "edge-64", "edge-128"} <= set(names)
    assert all(name in invoke("machines").output for name in names)


def test_the_file_of_a_machine_can_be_a_start(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(invoke("machines", "edge-16").output)
    assert run_json(tmp_path, "-m", str(tmp_path / "mine.yaml"))["machine"]["machine"] == "edge-16"
    assert invoke("machines", "edge-17").exit_code == 1


def test_a_machine_may_have_any_name(tmp_path: Path) -> None:
    text = invoke("machines", "edge-16").output.replace("name: edge-16", 'name: "[/] é"')
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    machine = str(tmp_path / "mine.yaml")
    result = invoke("run", ITNET, "-m", machine, "--out", str(tmp_path / "[/]"), *OPTIONS)
    assert result.exit_code == 0
    assert "[/] é, spatial mapping" in result.output


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_out_that_cannot_be_a_folder(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CompileError) as error:
        folder(tmp_path / out)
    assert [d.code for d in error.value.diagnostics] == ["E0620"]


def test_emitting_onto_a_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as error:
        write_text(tmp_path, "text")
    assert [d.code for d in error.value.diagnostics] == ["E0620"]
    assert not list(tmp_path.iterdir())


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_text(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 32768, np.uint16)).save(tmp_path / "p.png")
    assert np.allclose(read_picture(tmp_path / "p.png", TensorType("f32", (3, 2, 2))), 0.5, atol=0.01)


@pytest.mark.parametrize(("value", "code"), [(np.nan, "E0615"), (1, "E0614")])
def test_weights_that_are_no_numbers(value: float, code: str, tmp_path: Path) -> None:
    net = small()
    dtype = np.float32 if code == "E0615" else np.int32
    weights.save(tmp_path / "w.st", {key: np.full(value_.shape, value, dtype) for key, value_ in net.weights().items()})
    with pytest.raises(CompileError) as error:
        net.weights(tmp_path / "w.st")
    assert {d.code for d in error.value.diagnostics} == {code}


@pytest.mark.parametrize("machine", [3, None])
def test_what_is_no_machine_is_said_so(machine: Any) -> None:
    with pytest.raises(CompileError, match="E0501"):
        small().compile(machine)
    with pytest.raises(ValueError, match="objective"):
        small().compile("edge-16", "speed")


def test_a_million_exits_are_refused(tmp_path: Path) -> None:
    spec = tmp_path / "all.itn"
    spec.write_text(
        "@loop(times)\niterative r(carry x, times):\n    x = relu(x)\n\n"
        "network n(times=1000000):\n    input x: f32[1, 2, 2]\n    y = r(x, times=times)\n    emit z = relu(y) at all\n"
    )
    with pytest.raises(CompileError) as error:
        itc.load(spec)
    assert [d.code for d in error.value.diagnostics] == ["E0390"]


def test_the_json_of_one_machine() -> None:
    (machine,) = json.loads(invoke("machines", "edge-16", "--json").output)
    assert (machine["name"], machine["tiles"]) == ("edge-16", 64)
    assert json.loads(invoke("machines", "edge-17", "--json").output)["errors"][0]["code"] == "E0501"


@pytest.mark.parametrize("columns", ["20", "60", "100"])
@pytest.mark.parametrize("command", ["cost", "diff", "zoo", "machines"])
def test_no_figure_is_cut_where_the_terminal_is_narrow(
    columns: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    arguments = {"diff": [ITNET, "--set-b", "f=40"], "machines": []}
    output = invoke(command, *arguments.get(command, [ITNET])).output
    assert "…" not in output
    assert ("all-to-all" if command == "machines" else "6,210,304,200") in output


@pytest.mark.parametrize(
    ("stage", "option"),
    [
        ("ast", "--set=f=3"),
        ("ast", "--after=cse"),
        ("ir", "--machine=gc2"),
        ("tile", "--form=rolled"),
        ("torch", "-mbow"),
    ],
)
def test_an_option_of_another_stage_is_not_ignored(stage: str, option: str) -> None:
    result = invoke("show", ITNET, "--stage", stage, option)
    assert result.exit_code == 2
    assert f"it says nothing of the stage {stage}" in result.output


def test_emit_to_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    compile(invoke("emit", ITNET, "-o", "-", *OPTIONS).output, "<emitted>", "exec")
    assert not list(tmp_path.iterdir())


def test_run_says_nothing_before_its_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for option in (["--out", str(tmp_path / "file")], ["--machine", "gc2000"]):
        assert invoke("run", ITNET, *option).output.startswith("error[E0")


def test_run_on_words(tmp_path: Path) -> None:
    """Whole numbers that the table of words has rows for; no picture stands for them."""
    settings = ["words=7", "width=16", "inner=16", "steps=2", "tokens=5", "heads=2"]
    options = [f"--set={setting}" for setting in settings]
    result = invoke("run", str(EXAMPLES / "universal_transformer.itn"), *options, "-o", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["agreement"]["outputs"]["next_word"] <= 1e-4
    picture = ["--input", str(EXAMPLES / "blue_marble.jpg")]
    assert "E0632" in invoke("run", str(EXAMPLES / "tiny_recursive_model.itn"), *picture).output


def test_json_of_numbers_that_are_not_finite(tmp_path: Path) -> None:
    spec = tmp_path / "logs.itn"
    spec.write_text("network logs:\n    input x: f32[5]\n    emit z = log(x - 1)\n")
    result = invoke("run", str(spec), "--json")
    found = json.loads(result.output, parse_constant=pytest.fail)
    assert found["agreement"]["outputs"] == {"z": 0}
    assert [score for _, score in found["top"]["z"]] == [None] * 5


@pytest.mark.parametrize(
    ("a", "b", "off"),
    [
        ([1, 2], [1, 4], 0.5),
        ([np.nan, np.inf, 2], [np.nan, np.inf, 2], 0),
        ([0, 0], [0, 0], 0),
        ([np.nan, 1], [1, 1], np.nan),
        ([np.inf], [-np.inf], np.inf),
        ([True, False], [True, True], 1),
    ],
)
def test_agreement(a: list[float], b: list[float], off: float) -> None:
    assert difference(np.array(a), np.array(b)) == pytest.approx(off, nan_ok=True)
    assert set(top_classes({"y": np.array([[True, False]])})["y"]) == {(0, 1.0), (1, 0.0)}
