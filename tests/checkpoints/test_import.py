"""`itc weights import` on what does not fit, leaves a choice, or is meant to harm; and the formats that it reads."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from itc import weights
from itc.checkpoints import import_weights, read_tensors
from itc.cli import app
from itc.diagnostics import CompileError
from itc.ir.op import Array
from tests.conftest import Golden

HERE = Path(__file__).parent
SPEC = """from std import conv_norm_relu

block pair(x):
    return (x |> conv(8, 1, name="left")) + (x |> conv(8, 1, name="right"))

network small(classes=5):
    input image: f32[3, 8, 8]
    x = image |> conv_norm_relu(8) |> conv_norm_relu(8) |> pair
    emit label = global_pool(x) |> linear(classes)
"""
SHAPES: dict[str, tuple[int, ...]] = {
    "backbone.0.conv.weight": (8, 3, 3, 3),
    "backbone.0.bn.weight": (8,),
    "backbone.0.bn.bias": (8,),
    "backbone.0.bn.running_mean": (8,),
    "backbone.0.bn.running_var": (8,),
    "backbone.0.bn.num_batches_tracked": (),
    "backbone.1.conv.weight": (8, 8, 3, 3),
    "backbone.1.bn.weight": (8,),
    "backbone.1.bn.bias": (8,),
    "backbone.1.bn.running_mean": (8,),
    "backbone.1.bn.running_var": (8,),
    "mixer.right.weight": (8, 8, 1, 1),
    "mixer.left.weight": (8, 8, 1, 1),
    "zhead.weight": (5, 8),
    "zhead.bias": (5,),
}


def tensors(**changes: tuple[int, ...] | None) -> dict[str, Array]:
    """Distinct values under SHAPES, some of other shapes; those that are None are left out. `__` stands for a dot."""
    shapes: dict[str, Any] = SHAPES | {key.replace("__", "."): shape for key, shape in changes.items()}
    rng = np.random.default_rng(0)
    return {k: rng.random(s).astype(np.float32) for k, s in shapes.items() if s is not None}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.itn").write_text(SPEC)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["weights", *arguments], catch_exceptions=False)


def import_(found: dict[str, Array], *options: str) -> Result:
    weights.save("theirs.safetensors", found)
    return invoke("import", "theirs.safetensors", "--spec", "small.itn", "-o", "ours.safetensors", *options)


def imported() -> dict[str, Array]:
    return weights.read("ours.safetensors")


def test_names_in_no_order_find_their_layers(folder: Path) -> None:
    theirs = tensors()
    result = import_(theirs)
    assert result.output.splitlines() == [
        "ours.safetensors: 14 of 14 tensors of small are from theirs.safetensors",
        "  conv_norm_relu.conv is backbone.0.conv: the only one of its shapes",
        "  conv_norm_relu.norm is backbone.0.bn: order of the list backbone",
        "  conv_norm_relu_2.conv is backbone.1.conv: the only one of its shapes",
        "  conv_norm_relu_2.norm is backbone.1.bn: order of the list backbone",
        "  pair.left is mixer.left: names: left",
        "  pair.right is mixer.right: names: right",
        "  linear is zhead: the only one of its shapes",
        "ignored: 1 x num_batches_tracked",
        "told apart by their names alone: parts of mixer",
    ]
    ours = imported()
    assert np.array_equal(ours["conv_norm_relu.conv.weight"], theirs["backbone.0.conv.weight"])
    assert np.array_equal(ours["conv_norm_relu_2.norm.running_var"], theirs["backbone.1.bn.running_var"])
    assert np.array_equal(ours["pair.left.weight"], theirs["mixer.left.weight"])
    assert np.array_equal(ours["linear.bias"], theirs["zhead.bias"])


def test_its_own_keys_are_taken_as_they_are(folder: Path) -> None:
    import_(tensors())
    before = imported()
    assert import_(before).exit_code == 0
    assert all(np.array_equal(before[key], value) for key, value in imported().items())


def test_json(folder: Path) -> None:
    found = json.loads(import_(tensors(zhead__weight=(7, 8), zhead__bias=(7,)), "--partial", "--json").output)
    assert found["network"] == "small"
    assert found["mapped"]["mixer.left.weight"] == "pair.left.weight"
    assert found["missing"] == ["linear.weight", "linear.bias"]
    assert sorted(found["unused"]) == sorted(["zhead.weight", "zhead.bias"])
    assert found["ignored"] == ["backbone.0.bn.num_batches_tracked"]
    assert found["by_name"] == ["mixer"]
    assert {"theirs": "mixer.left", "ours": "pair.left", "why": ["names: left"]} in found["pairs"]


def test_what_fits_of_another_network(folder: Path, golden: Golden) -> None:
    """Other classes, a layer more, and no second block: what has a partner is taken, and both sides' rest is named."""
    gone = {key.replace(".", "__"): None for key in SHAPES if key.startswith("backbone.1")}
    found = tensors(zhead__weight=(7, 8), zhead__bias=(7,), extra__weight=(9, 8, 5, 5), **gone)
    refused = import_(found)
    assert refused.exit_code == 1
    assert not (folder / "ours.safetensors").exists()
    golden(HERE / "errors" / "without_partner.txt", refused.output)
    result = import_(found, "--partial")
    golden(HERE / "errors" / "partial.txt", result.output)
    assert np.array_equal(imported()["pair.right.weight"], found["mixer.right.weight"])
    assert imported().keys() == {key for key in imported() if "extra" not in key}


def test_a_choice_that_nothing_decides(folder: Path, golden: Golden) -> None:
    found = tensors(mixer__left__weight=None, mixer__right__weight=None)
    found |= {"mixer.a.weight": np.zeros((8, 8, 1, 1), np.float32), "mixer.b.weight": np.ones((8, 8, 1, 1), np.float32)}
    result = import_(found)
    assert result.exit_code == 1
    golden(HERE / "errors" / "ambiguous.txt", result.output)
    assert import_(found, "--pair", "mixer.b=pair.left").exit_code == 0
    assert imported()["pair.left.weight"].all()
    assert not imported()["pair.right.weight"].any()


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("pair_unknown", ["nowhere=pair.left", "mixer.left=nowhere"]),
        ("pair_shapes", ["zhead=pair.left"]),
        ("pair_twice", ["mixer.left=pair.left", "mixer.right=pair.left"]),
        ("pair_form", ["mixer.left", "a=b=c"]),
        ("pair_stars", ["mixer.*=pair.left", "mixer.left=pair.*"]),
        ("pair_two_places", ["mixer.left=pair.left", "mixer.left=pair.right"]),
        ("pair_again", ["mixer.left=pair.left", "mixer.left=pair.left"]),
        ("pair_sets", ["backbone.*.bn=pair.left[*]"]),
    ],
)
def test_pairs_that_cannot_be(name: str, pairs: list[str], folder: Path, golden: Golden) -> None:
    result = import_(tensors(), *(part for pair in pairs for part in ("--pair", pair)))
    assert result.exit_code == 1
    golden(HERE / "errors" / f"{name}.txt", result.output)


def test_patterns(folder: Path) -> None:
    """A star stands for the same text on both sides."""
    found = tensors(mixer__left__weight=None, mixer__right__weight=None)
    found |= {
        f"mixer.{name}.w.weight": np.full((8, 8, 1, 1), i, np.float32) for i, name in enumerate(("right", "left"))
    }
    result = import_(found, "--pair", "mixer.*.w=pair.*")
    assert result.exit_code == 0, result.output
    assert "pair.left is mixer.left.w: --pair" in result.output
    assert imported()["pair.left.weight"].all()
    assert not imported()["pair.right.weight"].any()


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        (["a=b=c"], "E0654"),
        (["nowhere=linear"], "E0654"),
        (["linear=nowhere"], "E0654"),
        (["pair.left=pair.right", "pair.right=pair.right"], "E0654"),
        (["linear=linear"], "E0655"),
    ],
)
def test_pairs_hold_for_the_networks_own_keys_too(pairs: list[str], code: str, folder: Path) -> None:
    import_(tensors())
    own = imported()
    result = import_(own, *(part for pair in pairs for part in ("--pair", pair)))
    assert result.exit_code == 1
    assert f"error[{code}]" in result.output
    exchanged = import_(own, "--pair", "pair.left=pair.right", "--pair", "pair.right=pair.left")
    assert exchanged.exit_code == 0
    assert np.array_equal(imported()["pair.left.weight"], own["pair.right.weight"])


def test_check(folder: Path) -> None:
    """Values of the source: the right order passes, and with a wrong one nothing is written."""
    from itc.driver import load

    assert import_(tensors()).exit_code == 0
    net, image = load("small.itn"), np.random.default_rng(1).random((2, 3, 8, 8)).astype(np.float32)
    np.savez("values.npz", image=image, **net.interpret({"image": image}, imported()))
    result = import_(tensors(), "--check", "values.npz")
    assert result.exit_code == 0
    assert "label is as in values.npz: off by 0 of its largest value, 0.0001 is allowed" in result.output
    report = json.loads(import_(tensors(), "--check", "values.npz", "--json").output)["check"]
    assert report == {"file": "values.npz", "tolerance": 1e-4, "outputs": {"label": 0}}
    (folder / "ours.safetensors").unlink()
    crossed = tensors()
    crossed["zhead.weight"] = crossed["zhead.weight"][::-1].copy()
    result = import_(crossed, "--check", "values.npz")
    assert result.exit_code == 1
    assert "error[E0657]: label differs from values.npz" in result.output
    assert not (folder / "ours.safetensors").exists()
    assert import_(crossed, "--check", "values.npz", "--tolerance", "10").exit_code == 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("names", {"picture": np.zeros((3, 8, 8), np.float32), "label": np.zeros(5, np.float32)}),
        ("no_output", {"image": np.zeros((3, 8, 8), np.float32)}),
        ("shapes", {"image": np.zeros((3, 8, 9), np.float32), "label": np.zeros(5, np.float32)}),
        ("output_shape", {"image": np.zeros((3, 8, 8), np.float32), "label": np.zeros(4, np.float32)}),
        ("infinite", {"image": np.full((3, 8, 8), np.inf, np.float32), "label": np.zeros(5, np.float32)}),
    ],
)
def test_values_that_cannot_be_checked(name: str, values: dict[str, Array], folder: Path, golden: Golden) -> None:
    np.savez("values.npz", **values)
    result = import_(tensors(), "--check", "values.npz")
    assert result.exit_code == 1
    assert not (folder / "ours.safetensors").exists()
    golden(HERE / "errors" / f"check_{name}.txt", result.output)


def test_no_list_is_too_wide_to_end(folder: Path) -> None:
    """A file with 300 names of one shape side by side, and a deep one: an answer, and soon."""
    wide = {f"{name}x.weight": np.zeros((8, 8, 1, 1), np.float32) for name in map(str, range(300))}
    deep = {".".join("a" * 3000) + ".weight": np.zeros((8, 3, 3, 3), np.float32)}
    assert import_(tensors() | wide).exit_code == 1
    assert import_(tensors() | deep).exit_code == 1
    digits = {"a" + "9" * 5000 + ".weight": np.zeros((8, 8, 3, 3), np.float32)}
    assert import_(tensors() | digits, "--partial").exit_code == 0


def test_an_npz(folder: Path) -> None:
    found = tensors()
    np.savez("theirs.npz", **found)
    assert all(np.array_equal(found[key], value) for key, value in read_tensors(Path("theirs.npz")).items())
    np.savez("odd.npz", a=np.asfortranarray(np.arange(6.0).reshape(2, 3)), b=np.float64(3))
    odd = read_tensors(Path("odd.npz"))
    assert odd["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert odd["b"].shape == ()


class Harm:
    def __reduce__(self) -> Any:
        return (open, ("harm.txt", "w"))


def npz_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


FILES = {
    "pickle.pth": pickle.dumps(Harm()),
    "torch.pth": npz_of(**{"archive/data.pkl": pickle.dumps(Harm())}),
    "objects.npz": npz_of(**{"a.npy": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80")}),
    "huge.npz": npz_of(**{"a.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}")}),
    "code.npz": npz_of(**{"a.npy": npy("{'descr': __import__('os').system('true'), 'shape': (1,)}")}),
    "cut.npz": npz_of(a=b"abc")[:40],
}


@pytest.mark.parametrize("name", [*FILES, "missing.npz"])
def test_files_that_are_refused(name: str, folder: Path, golden: Golden) -> None:
    if name in FILES:
        (folder / name).write_bytes(FILES[name])
    result = invoke("import", name, "--spec", "small.itn", "-o", "ours.safetensors")
    assert result.exit_code == 1
    golden(HERE / "errors" / f"file_{name}.txt", result.output)
    assert not (folder / "harm.txt").exists()
    assert not (folder / "ours.safetensors").exists()


@pytest.mark.parametrize("content", [b"", b"hello, world", b"12345678{}", b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_is_no_file_of_weights(content: bytes, folder: Path) -> None:
    (folder / "a.safetensors").write_bytes(content)
    result = invoke("import", "a.safetensors", "--spec", "small.itn", "-o", "ours.safetensors")
    assert result.exit_code == 1
    assert "E06" in result.output


def test_values_that_are_no_weights(folder: Path) -> None:
    found = tensors()
    found["zhead.bias"][0] = np.nan
    result = import_(found)
    assert result.exit_code == 1
    assert "E0615" in result.output
    found["zhead.bias"] = np.arange(5)
    assert "E0614" in import_(found).output


def test_a_safetensors_file_whose_first_byte_is_a_pickles(folder: Path) -> None:
    """The length of the header comes first, whatever it is."""
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x180)
    (folder / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", 2.5))
    assert read_tensors(folder / "a.safetensors")["a"].tolist() == [2.5]


def test_list(folder: Path) -> None:
    lines = invoke("list", "small.itn").output.splitlines()
    assert lines[1].split() == ["conv_norm_relu.conv.weight", "8x3x3x3", "weight", "kaiming"]
    assert len(lines) == 1 + 14
    rows = json.loads(invoke("list", "small.itn", "--json").output)["weights"]
    assert rows[-1] == {"key": "linear.bias", "shape": [5], "role": "bias", "init": "zeros"}


def test_the_reader_reports_a_folder(folder: Path) -> None:
    with pytest.raises(CompileError, match="E0611"):
        read_tensors(folder)


def test_nothing_in_common_is_an_error_even_in_part(folder: Path) -> None:
    from itc.driver import load

    with pytest.raises(CompileError, match="E0652"):
        import_weights({"a.weight": np.zeros((2, 2))}, load("small.itn").ir, "file", partial=True)
