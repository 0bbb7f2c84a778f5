"""`itc run` with files for its inputs, outputs drawn by what they are, and networks that the machine refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from itc.cli import app
from itc.cli.inputs import Norm, given_inputs, numbers, read_array, read_tokens
from itc.diagnostics import CompileError
from itc.drawing import Kind, drawing, flow_colours, kind_of, legend, write_drawing, write_sheet
from itc.driver import loads
from itc.ir.types import TensorType

KINDS = """\
network kinds:
    input left: f32[3, 8, 12]
    input right: f32[1, 8, 12]
    x = concat(left, right)
    @loss(mse)
    emit flow = conv(x, 2, 3)
    emit depth = conv(x, 1, 3)
    emit parts = conv(x, 5, 3)
    emit curve = reshape(conv(x, 1, 1), [8, 12]) |> linear(3)
    emit label = global_pool(x) |> linear(4)
"""
TEXT = """\
network words:
    input ids: i32[4]
    @loss(cross_entropy)
    emit next = embed(ids, 10, 8) |> linear(10)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("kinds.itn").write_text(KINDS)
    Path("words.itn").write_text(TEXT)
    Image.fromarray(np.full((8, 12, 3), (255, 0, 51), np.uint8)).save("left.png")
    np.save("right.npy", np.linspace(0, 1, 96).reshape(8, 12, 1).transpose(2, 0, 1))
    return tmp_path


def size(path: str | Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["run", *arguments, "-m", "edge-16"], catch_exceptions=False)


def test_several_inputs_are_drawn_on_one_sheet() -> None:
    result = run("kinds.itn", "-i", "left=left.png", "-i", "right=right.npy")
    assert result.exit_code == 0, result.output
    names = {f"kinds-{name}.png" for name in ("flow", "depth", "parts", "curve")}
    assert {path.name for path in Path("out").iterdir()} == names | {"kinds.png"}
    assert size("out/kinds.png")[0] > 2 * size("out/kinds-depth.png")[1]
    assert result.output.count("simulated") >= 3
    assert "input: left.png, right.npy" in result.output
    found = json.loads(run("kinds.itn", "-i", "right=right.npy", "--json").stdout)
    assert (found["input"], len(found["pictures"])) == ({"right": "right.npy"}, 4)
    assert found["sheet"] == "out/kinds.png"
    assert run("kinds.itn", "-q").output == ""


def test_tokens_are_read_and_printed() -> None:
    Path("ids.txt").write_text("[5, 3,\n8]")
    found = json.loads(run("words.itn", "-i", "ids.txt", "--json").stdout)
    net = loads(TEXT)
    wanted = net.interpret({"ids": np.array([[5, 3, 8, 0]], np.int32)}, net.weights())["next"]
    assert found["tokens"] == {"next": wanted[0].argmax(-1).tolist()}
    assert "next: tokens " in run("words.itn", "-i", "ids.txt").output


def test_a_network_that_the_machine_refuses_runs_by_the_reference() -> None:
    Path("large.itn").write_text("network n:\n    input x: f32[4096]\n    emit y = linear(x, 4096)\n")
    result = run("large.itn")
    assert (result.exit_code, "error[E0510]" in result.output) == (1, True)
    assert "edge-16 refuses n: it ran in " in result.output
    assert "y: class " in result.output
    found = json.loads(run("large.itn", "--json").stdout)
    assert found["errors"][0]["code"] == "E0510"
    assert found["machine"] is None
    assert found["top"]["y"]
    assert run("large.itn", "-m", "nowhere").exit_code == 1


def test_pictures_are_normed() -> None:
    net = loads(KINDS).ir
    norm = Norm(numbers("0.5,0,0.1", "--mean"), numbers("0.5", "--std"))
    (given,) = given_inputs(net, ["left=left.png"], norm)
    np.testing.assert_allclose(given.array()[0, :, 0, 0], [1, 0, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["left.png"], "E0633"), (["other=left.png"], "E0671"), (["right=nothing.npy"], "E0671"),
        (["right=left.npy"], "E0671"), (["left=right.npy"], "E0674"), (["right=words.itn"], "E0631"),
    ],
)  # fmt: skip
def test_wrong_inputs(texts: list[str], code: str) -> None:
    with pytest.raises(CompileError) as caught:
        given_inputs(loads(KINDS).ir, texts)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]


def hostile() -> dict[str, bytes]:
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save("large.npy", np.zeros(4096, np.float32))
    good = Path("right.npy").read_bytes()
    declared = good.replace(b"(1, 8, 12)", b"(9**9,   )")
    return {
        "objects": Path("objects.npy").read_bytes(), "large": Path("large.npy").read_bytes(), "empty": b"",
        "cut": good[:140], "declared": declared, "text": b"0 1 2", "long": good[:8] + b"\xff\xff" + good[10:],
    }  # fmt: skip


def test_arrays_of_strangers_end_in_diagnostics() -> None:
    type = TensorType("f32", (1, 8, 12))
    for name, content in hostile().items():
        Path("x.npy").write_bytes(content)
        with pytest.raises(CompileError) as caught:
            read_array(Path("x.npy"), type)
        assert caught.value.diagnostics[0].code == "E0672", name
    for text in ("", "a b", "1 2 nan", "0x10", "1" * 50):
        Path("x.txt").write_text(text)
        with pytest.raises(CompileError, match="E0672"):
            read_tokens(Path("x.txt"))
    for text, flag in (("", "--mean"), ("a", "--mean"), ("0", "--std"), ("1,", "--std"), ("1e999", "--mean")):
        with pytest.raises(CompileError, match="E0673"):
            numbers(text, flag)


@pytest.mark.parametrize(
    ("name", "loss", "shape", "kind"),
    [
        ("y", "cross_entropy", (3, 8, 8), Kind.CLASSES), ("y", "mse", (3, 8, 8), Kind.COLOUR),
        ("y", "", (1, 8, 8), Kind.GREY),
        ("y", "l1", (2, 8, 8), Kind.FLOW), ("flow", "", (2, 8, 8), Kind.FLOW), ("y", "", (2, 8, 8), Kind.CLASSES),
        ("y", "", (8, 3), Kind.CURVES), ("y", "cross_entropy", (8, 3), Kind.TOKENS), ("y", "", (10,), Kind.NONE),
    ],
)  # fmt: skip
def test_what_an_output_is(name: str, loss: str, shape: tuple[int, ...], kind: Kind) -> None:
    assert kind_of(name, loss, shape) is kind


def test_flow_has_the_hue_of_its_direction() -> None:
    flow = np.array([[[1.0, -1.0, 0.0]], [[0.0, 0.0, 0.0]]])
    assert flow_colours(flow)[0].tolist() == [[255, 0, 0], [0, 255, 255], [255, 255, 255]]


@pytest.mark.parametrize("kind", [Kind.GREY, Kind.COLOUR, Kind.FLOW, Kind.CURVES, Kind.CLASSES])
def test_odd_numbers_and_sizes_are_drawn(kind: Kind, tmp_path: Path) -> None:
    channels = {Kind.GREY: 1, Kind.FLOW: 2}.get(kind, 3)
    array: Any = np.full((channels, 1, 3), np.nan, np.float32)
    array[0, 0] = [np.inf, 1e38, -1]
    values = array[:, 0].T if kind is Kind.CURVES else array
    assert legend(values, kind)
    write_drawing(tmp_path / "one.png", values, kind, "t" * 900)
    write_sheet(tmp_path / "sheet.png", [("c" * 90, drawing(values, kind))] * 70, "title")
    assert size(tmp_path / "sheet.png")[0] < 2000
