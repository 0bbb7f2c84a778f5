"""Files in and out: a failure leaves nothing behind, and what is wrong with an input is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from itc import weights
from itc.diagnostics import CompileError
from itc.files import replacing, writable, writable_folder, write_text
from itc.ir import TensorType, parse_net
from itc.pictures import palette, read_picture, write_classes

NET = parse_net(
    """net @tiny(%x: f32[3, 4, 5]) {
      param @a.weight: f32[2, 3, 1, 1] {role = weight, init = kaiming}
      param @a.bias: f32[2] {role = bias, init = "0.25"}
      %0 = conv(%x, @a.weight, @a.bias): f32[2, 4, 5]
      return %0 {name = y}
    }"""
)


def codes(error: pytest.ExceptionInfo[CompileError]) -> list[str]:
    return [diagnostic.code for diagnostic in error.value.diagnostics]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"cannot write .*nowhere") as error:
        write_text(tmp_path / "nowhere" / "a.txt", "")
    assert codes(error) == ["E0620"]


def test_fresh_weights_depend_on_seed_and_key_alone() -> None:
    first, again, other = weights.initial(NET, 0), weights.initial(NET, 0), weights.initial(NET, 1)
    assert np.array_equal(first["a.weight"], again["a.weight"])
    assert not np.array_equal(first["a.weight"], other["a.weight"])
    assert np.all(first["a.bias"] == 0.25)


def test_checkpoints_round_trip(tmp_path: Path) -> None:
    saved = weights.initial(NET, 3)
    weights.save(tmp_path / "w.safetensors", saved)
    loaded = weights.load(tmp_path / "w.safetensors", NET)
    assert all(np.array_equal(saved[key], loaded[key]) for key in saved)


def test_wrong_keys_and_shapes_are_all_named(tmp_path: Path) -> None:
    weights.save(tmp_path / "w.safetensors", {"a.weight": np.zeros((2, 3)), "b": np.zeros(1)})
    with pytest.raises(CompileError) as error:
        weights.load(tmp_path / "w.safetensors", NET)
    assert codes(error) == ["E0612", "E0612", "E0613"]
    text = str(error.value)
    assert "lacks a.bias [2]" in text
    assert "has b, which tiny does not have" in text
    assert "has other shapes than tiny: a.weight as [2, 3] and not [2, 3, 1, 1]" in text


def test_of_many_keys_the_first_are_named() -> None:
    keys = [f"{i:02}.weight" for i in range(12)]
    missing, foreign = weights.mismatches({"03.weigth": (1,)}, dict.fromkeys(keys, (1,)), "w", "n")
    assert missing.message.endswith("04.weight [1] and 7 more")
    assert foreign.help == "did you mean 03.weight where it has 03.weigth?"


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0{}      "])
def test_other_files_are_no_checkpoints(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(CompileError):
        weights.load(path, NET)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="there is no checkpoint") as error:
        weights.load(tmp_path / "none.safetensors", NET)
    assert codes(error) == ["E0610"]


def test_a_picture_becomes_an_input(tmp_path: Path) -> None:
    pixels = np.arange(8 * 10 * 3, dtype=np.uint8).reshape(8, 10, 3)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    exact = read_picture(tmp_path / "p.png", TensorType("f32", (3, 8, 10)))
    assert np.allclose(exact[0].transpose(1, 2, 0) * 255, pixels)
    resized = read_picture(tmp_path / "p.png", TensorType("f32", (3, 4, 5)))
    assert resized.shape == (1, 3, 4, 5)
    assert resized.dtype == np.float32
    grey = read_picture(tmp_path / "p.png", TensorType("f32", (1, 8, 10)))
    assert grey.shape == (1, 1, 8, 10)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "t.txt").write_text("hello")
    map_type = TensorType("f32", (3, 4, 5))
    for path, type, code in [
        (tmp_path / "none.png", map_type, "E0630"),
        (tmp_path / "p.png", map_type, "E0631"),
        (tmp_path / "t.txt", map_type, "E0631"),
        (tmp_path, map_type, "E0631"),
        (tmp_path / "t.txt", TensorType("f32", (7,)), "E0632"),
        (tmp_path / "t.txt", TensorType("i8", (3, 4, 5)), "E0632"),
        (tmp_path / "t.txt", TensorType("bool", (1, 4, 5)), "E0632"),
    ]:
        with pytest.raises(CompileError) as error:
            read_picture(path, type)
        assert codes(error) == [code], path


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "p.png")
    whole = (tmp_path / "p.png").read_bytes()
    (tmp_path / "p.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CompileError) as error:
        read_picture(tmp_path / "p.png", TensorType("f32", (3, 4, 5)))
    assert codes(error) == ["E0631"]


def test_the_legend_of_many_classes_is_short(tmp_path: Path) -> None:
    scores = np.zeros((50_000, 2, 3), np.float32)
    write_classes(tmp_path / "m.png", scores, "many")
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.height < 6000


def test_a_map_of_classes_is_drawn_in_the_palette(tmp_path: Path) -> None:
    scores = np.zeros((5, 6, 7), np.float32)
    scores[3, :, :4] = 1
    write_classes(tmp_path / "m.png", scores, "a map", ["a", "b", "c", "d", "e"])
    picture = np.asarray(Image.open(tmp_path / "m.png"))
    drawn = {tuple(int(c) for c in colour) for colour in picture.reshape(-1, 3)}
    assert set(palette(5)) <= drawn
    assert (picture == palette(5)[3]).all(-1).sum() >= 6 * 4


def test_a_title_is_not_cut_off_above_a_small_map(tmp_path: Path) -> None:
    for name, title in [("short", "a"), ("long", "itnet, segmentation@16   weights: checkpoints/best.safetensors")]:
        write_classes(tmp_path / f"{name}.png", np.zeros((2, 3, 3)), title)
    short, long = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("short", "long"))
    assert long.shape[1] > short.shape[1]
    assert (long[:, -5:] == long[0, -1]).all()


def test_the_legend_of_very_many_classes_has_the_largest(tmp_path: Path) -> None:
    scores = np.zeros((41_000, 1, 300), np.float32)
    scores[np.arange(40_000, 40_300), :, np.arange(300)] = 1
    write_classes(tmp_path / "m.png", scores, "a" * 9000)
    picture = np.asarray(Image.open(tmp_path / "m.png"))
    assert picture.shape[0] < 6000
    assert picture.shape[1] < 2500
    drawn = {tuple(int(c) for c in colour) for colour in np.unique(picture[:, 330:342].reshape(-1, 3), axis=0)}
    assert set(palette(41_000)[40_000:40_256]) <= drawn


def test_the_palette_has_a_colour_for_each_class() -> None:
    assert len(set(palette(150))) == 150


@pytest.mark.parametrize("path", ["nowhere/a.txt", "folder", "file/a.txt"])
def test_a_file_that_cannot_be_written_is_known_before(path: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    attempts: list[Callable[[Path], None]] = [writable, lambda path: write_text(path, "")]
    for attempt in attempts:
        with pytest.raises(CompileError) as error:
            attempt(tmp_path / path)
        assert codes(error) == ["E0620"]
    writable(tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_to_make_is_named_in_the_help(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as error:
        writable(tmp_path / "no where" / "a.txt")
    assert error.value.diagnostics[0].help == f"create the folder first: `mkdir -p '{tmp_path}/no where'`"


def test_a_folder_below_a_file_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CompileError, match="file is not a folder"):
            writable_folder(path)
    writable_folder(tmp_path / "new" / "below")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
