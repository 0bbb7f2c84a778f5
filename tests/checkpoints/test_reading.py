"""Files of weights made to harm: what they declare is checked against their size and the net before it is unpacked."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import itc
from itc import tensor_files, weights
from itc.checkpoints import import_weights, npz, read_tensors
from itc.checkpoints.npz import MAX_HEADER
from itc.cli import app
from itc.diagnostics import CompileError
from itc.tensor_files import MAX_HEADER as MAX_JSON
from itc.tensor_files import MAX_TENSORS
from tests.fuzz import bounds

SPEC = "network n:\n    input image: f32[3, 8, 8]\n    emit y = conv(image, 4)\n"
KERNEL = {"conv.weight": np.arange(108, dtype=np.float32).reshape(4, 3, 3, 3)}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n.itn").write_text(SPEC)


def import_(*options: str) -> Result:
    arguments = ["weights", "import", "theirs", "--spec", "n.itn", "-o", "ours.safetensors", *options]
    with bounds.in_time(), bounds.at_most(512 << 20, bounds.address_space()):
        return CliRunner().invoke(app, arguments, catch_exceptions=False)


def npy(shape: str, content: bytes = b"", descr: str = "<f4", **more: Any) -> bytes:
    text = (
        f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(more.get("width", 117))
        + b"\n"
    )
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def write_npz(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile("theirs", "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


HALF = npy("(4, 3, 3, 3)", bytes(20))
BROKEN = {
    "booleans in a shape": npy("(True,)", bytes(4)),
    "a negative size": npy("(-1,)", bytes(4)),
    "no tuple": npy("4", bytes(16)),
    "objects": npy("(1,)", b"\x80\x04N.", "|O"),
    "records": npy("(1,)", bytes(8)).replace(b"'<f4'", b"[('a','<f4')]"),
    "arrays of arrays": npy("(1,)", bytes(8)).replace(b"'<f4'", b"'(2,)<f4'"),
    "a size beyond": npy("(1000000000000,)"),
    "none of a size beyond": npy("(0, 1000000000000, 1000000000000)"),
    "rank": npy("(" + "1," * 70 + ")", bytes(4)),
    "nested": npy("(" * 90 + ")" * 90),
    "huge number": npy("(" + "9" * 90 + ",)"),
    "shorter": HALF,
    "version": b"\x93NUMPY\x09\x00" + HALF[8:],
    "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", MAX_HEADER + 1) + bytes(MAX_HEADER + 1),
    "header without end": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_arrays(name: str) -> None:
    write_npz({"w.npy": BROKEN[name]})
    assert "E0651" in import_().output


def test_what_the_net_does_not_need_is_not_unpacked() -> None:
    """An array that declares 1.5 GiB, in a file of a few bytes, is named and never read."""
    size = 8 + 2 + 118 + 4 * 402653184
    write_npz({"w.weight.npy": npy("(4, 3, 3, 3)", KERNEL["conv.weight"].tobytes()), "more.npy": npy("(402653184,)")})
    content = Path("theirs").read_bytes()
    at = content.rindex(b"PK\1\2") + 24
    Path("theirs").write_bytes(content[:at] + struct.pack("<I", size) + content[at + 4 :])
    assert "more ([402653184])" in import_().output
    assert import_("--partial").exit_code == 0
    assert np.array_equal(weights.read("ours.safetensors")["conv.weight"], KERNEL["conv.weight"])


def test_an_array_whose_values_are_cut_off() -> None:
    """The zip says that the array is whole; its bytes end early."""
    write_npz({"w.npy": npy("(4, 3, 3, 3)", bytes(432))}, zipfile.ZIP_STORED)
    content = Path("theirs").read_bytes()
    Path("theirs").write_bytes(content.replace(bytes(432), bytes(300) + b"\1" * 132))
    assert "E0651" in import_().output  # its checksum is another


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_does_not_write(method: int) -> None:
    write_npz({"w.npy": npy("(4, 3, 3, 3)", bytes(432))}, method)
    assert "E0651" in import_().output


def test_names_twice() -> None:
    write_npz({"w": HALF, "w.npy": npy("(4, 3, 3, 3)", bytes(432))})
    assert "E0651" in import_().output


@pytest.mark.parametrize(("count", "code"), [(1000, "E0652"), (1001, "E0651")])
def test_many_arrays(count: int, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "MAX_ARRAYS", 1000)
    with zipfile.ZipFile("theirs", "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.npy", npy("()", bytes(4)))
    assert code in import_().output


def test_a_list_of_files_that_is_as_long_as_the_file() -> None:
    """The end of the zip says that its list has 1 GiB; nothing of that size is read."""
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 1 << 30, 0, 0)
    with Path("theirs").open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(1 << 30)
        file.seek(0, 2)
        file.write(end)
    assert "E0651" in import_().output


def entry(*shape: Any, begin: int = 0, type: str = "F32", size: int = 4) -> dict[str, Any]:
    return {"dtype": type, "shape": list(shape), "data_offsets": [begin, begin + int(np.prod(shape)) * size]}


def write_safetensors(header: Any, data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    Path("theirs").write_bytes(struct.pack("<Q", len(text)) + text + data)


WRONG: dict[str, tuple[Any, bytes]] = {
    "a list": ([], b""),
    "no entry": ({"a": 1}, b""),
    "no type": ({"a": {"shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "booleans": ({"a": {**entry(1), "shape": [True]}}, bytes(4)),
    "fractions": ({"a": {**entry(1), "shape": [1.0]}}, bytes(4)),
    "negative": ({"a": {**entry(1), "shape": [-1]}}, bytes(4)),
    "huge": ({"a": {**entry(1), "shape": [2**62, 0], "data_offsets": [0, 0]}}, b""),
    "rank": ({"a": {**entry(1), "shape": [1] * 70}}, bytes(4)),
    "offsets": ({"a": {**entry(1), "data_offsets": [4, 0]}}, bytes(4)),
    "three offsets": ({"a": {**entry(1), "data_offsets": [0, 4, 8]}}, bytes(4)),
    "shorter": ({"a": entry(2)}, bytes(4)),
    "longer": ({"a": entry(1)}, bytes(8)),
    "gap": ({"a": entry(1), "b": entry(1, begin=8)}, bytes(12)),
    "overlap": ({"a": entry(1), "b": entry(1)}, bytes(4)),
    "bytes": ({"a": {**entry(1), "shape": [2]}}, bytes(4)),
    "surrogate": (b'{"\\ud800": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}', bytes(4)),
    "twice": (b'{"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}, "a": 1}', bytes(4)),
    "nested": (b"[" * 100_000, b""),
    "digits": (b'{"a": ' + b"9" * 100_000 + b"}", b""),
    "no text": (b"{\xff\xff}", b""),
}


@pytest.mark.parametrize("name", WRONG)
def test_broken_safetensors(name: str) -> None:
    write_safetensors(*WRONG[name])
    assert "E0611" in import_().output
    with pytest.raises(CompileError, match="E0611"):
        weights.read("theirs")


def test_headers_beyond_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("theirs").open("wb") as file:
        file.write(struct.pack("<Q", MAX_JSON + 1) + b"{")
        file.truncate(64 << 20)
    assert "E0617" in import_().output
    monkeypatch.setattr(tensor_files, "MAX_TENSORS", 100)
    write_safetensors({f"{number}": entry(0) for number in range(100)})
    assert "E0652" in import_().output
    write_safetensors({f"{number}": entry(0) for number in range(101)})
    assert "E0617" in import_().output


@pytest.mark.long
def test_a_hundred_thousand_names() -> None:
    write_safetensors({f"x{number}": entry(0) for number in range(MAX_TENSORS)})
    result = import_()
    assert "E0652" in result.output
    assert len(result.output) < 20_000
    with pytest.raises(CompileError, match="E0612"), bounds.in_time():
        weights.load("theirs", itc.load("n.itn").ir)


def test_values_are_read_only_where_the_names_are_the_nets() -> None:
    """A file of 1 TiB by its length, of which nothing is there."""
    text = json.dumps({"a": entry(1 << 38)}).encode()
    with Path("theirs").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        try:
            file.truncate(8 + len(text) + (1 << 40))
        except OSError:
            pytest.skip("the file system has no files of this length")
    with pytest.raises(CompileError, match="E0612"), bounds.at_most(64 << 20, bounds.address_space()):
        weights.load("theirs", itc.load("n.itn").ir)
    assert "E0652" in import_().output


@pytest.mark.parametrize(("type", "size"), [("BF16", 2), ("F8_E4M3", 1), ("NEW", 3)])
def test_types_that_numpy_has_not(type: str, size: int) -> None:
    """They are named; those that the net has no use for do not matter."""
    write_safetensors({"conv.weight": entry(4, 3, 3, 3, type=type, size=size)}, bytes(108 * size))
    with pytest.raises(CompileError, match=f"conv.weight as {type}") as error:
        weights.load("theirs", itc.load("n.itn").ir)
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["E0614"]
    assert "E0614" in import_().output
    other = {"a": entry(2, type=type, size=size), "conv.weight": entry(4, 3, 3, 3, begin=2 * size)}
    write_safetensors(other, bytes(2 * size) + KERNEL["conv.weight"].tobytes())
    assert import_("--partial").exit_code == 0


def test_a_file_that_is_replaced_while_it_is_read() -> None:
    """Names and values are of one file, that which was opened."""
    weights.save("theirs", KERNEL)
    found = read_tensors(Path("theirs"))
    weights.save("theirs", {key: -value for key, value in KERNEL.items()})
    assert np.array_equal(found["conv.weight"], KERNEL["conv.weight"])


def test_types_and_order_come_through() -> None:
    values = {
        "half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "big": np.array([1.5, -2], ">f8"),
        "none": np.zeros((0, 3)),
        "truth": np.array([True, False]),
        "scalar": np.float32(2.5),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    out = io.BytesIO()
    np.savez_compressed(out, **values)
    Path("theirs").write_bytes(out.getvalue())
    found = read_tensors(Path("theirs"))
    assert list(found) == list(values)
    assert "else" not in found
    with pytest.raises(KeyError):
        found["else"]
    for key, value in values.items():
        assert np.array_equal(found[key], value)
        assert found[key].shape == found.shapes[key] == value.shape


def test_an_array_is_imported() -> None:
    np.savez("theirs", **{"w.weight": KERNEL["conv.weight"]})
    net = itc.load("n.itn").ir
    found = import_weights(read_tensors(Path("theirs.npz")), net, "theirs")
    assert np.array_equal(found.weights["conv.weight"], KERNEL["conv.weight"])


@pytest.mark.parametrize(("name", "code"), [("w.pt", "E0650"), ("w.ckpt", "E0650"), ("w.npz", "E0611")])
def test_run_names_the_format_of_other_checkpoints(name: str, code: str) -> None:
    np.savez("w.npz", **KERNEL)
    Path("w.npz").replace(name)
    result = CliRunner().invoke(app, ["run", "n.itn", "-m", "edge-16", "-w", name], catch_exceptions=False)
    assert result.output.startswith(f"error[{code}]")
    assert "help" in result.output
