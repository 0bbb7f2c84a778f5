"""Pipes, devices, links, permissions, full disks and outputs that are inputs: nothing hangs, nothing is destroyed."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from itc import weights
from itc.checkpoints import read_tensors
from itc.cli import app
from itc.diagnostics import CompileError
from itc.driver import read
from itc.files import opened, writable, write_bytes, write_text
from itc.ir import TensorType
from itc.pictures import read_picture, write_classes
from itc_tile import load_machine
from tests.fuzz import bounds

SPEC = "network n:\n    input image: f32[3, 8, 8]\n    emit y = conv(image, 4)\n"
COLOUR = TensorType("f32", (3, 8, 8))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket(path: Path) -> None:
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX) as one:
        one.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def open_pipe(path: Path) -> None:
    """What `<(command)` of a shell is; it lives as long as the process."""
    path.symlink_to(f"/dev/fd/{os.pipe()[0]}")


SPECIAL = [pipe, socket, device, open_pipe]
READERS: dict[str, Callable[[Path], object]] = {
    "spec.itn": read,
    "machine.yaml": load_machine,
    "w.safetensors": weights.read,
    "w.npz": read_tensors,
    "p.png": lambda path: read_picture(path, COLOUR),
}


def code(work: Callable[[], object]) -> str:
    with pytest.raises(CompileError) as error, bounds.in_time():
        work()
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.help
    return diagnostic.code


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("make", SPECIAL)
def test_only_regular_files_are_read(make: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    assert code(lambda: READERS[name](tmp_path / name)) == "E0604"


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening: the file that is open is looked at again."""
    (tmp_path / "a").write_text("x")
    pipe(tmp_path / "b")
    there = (tmp_path / "a").stat()
    monkeypatch.setattr(Path, "stat", lambda _path, **_more: there)
    assert code(lambda: opened(tmp_path / "b")) == "E0604"


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "spec.itn").write_text(SPEC)
    (tmp_path / "link.itn").symlink_to("spec.itn")
    assert read(tmp_path / "link.itn").names == ("n",)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: write_text(path, "new"),
    "weights": lambda path: weights.save(path, {"a": np.zeros(3, np.float32)}),
    "picture": lambda path: write_classes(path, np.zeros((2, 3, 3)), "title"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("make", SPECIAL)
def test_only_regular_files_are_replaced(make: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    make(path)
    before = os.lstat(path)
    assert code(lambda: WRITERS[name](path)) == "E0605"
    assert code(lambda: writable(path)) == "E0605"
    assert os.lstat(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions(umask: int, name: str, tmp_path: Path) -> None:
    """A new file has what the umask leaves, one that was there keeps its own."""
    before = os.umask(umask)
    try:
        WRITERS[name](tmp_path / "new")
        assert mode(tmp_path / "new") == 0o666 & ~umask
        (tmp_path / "old").write_text("old")
        (tmp_path / "old").chmod(0o664)
        WRITERS[name](tmp_path / "old")
        assert mode(tmp_path / "old") == 0o664
    finally:
        os.umask(before)


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for text in ("first", "second"):  # where it leads to nothing yet, and to a file
        write_text(tmp_path / "link", text)
        assert (tmp_path / "folder" / "file").read_text() == text
        assert (tmp_path / "link").is_symlink()
    assert len(list((tmp_path / "folder").iterdir())) == 1


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(CompileError, match="E0620"):
        write_text(tmp_path / "a", "x")


def test_an_open_file_of_a_process_is_not_replaced(tmp_path: Path) -> None:
    """As /dev/stdout, which leads to whatever file the shell opened."""
    with (tmp_path / "out").open("w") as file:
        assert code(lambda: write_text(Path(f"/dev/fd/{file.fileno()}"), "x")) == "E0605"
        assert code(lambda: write_text(Path(f"/proc/self/fd/{file.fileno()}"), "x")) == "E0605"
    assert (tmp_path / "out").read_text() == ""


def test_the_null_device_takes_everything() -> None:
    for write in WRITERS.values():
        write(Path(os.devnull))
    assert Path(os.devnull).is_char_device()


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


LARGE: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: write_bytes(path, bytes(100_000)),
    "weights": lambda path: weights.save(path, {"a": np.zeros(30_000, np.float32)}),
    "picture": lambda path: write_classes(path, np.random.default_rng(0).normal(size=(9, 300, 300)), "title"),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_full_disk_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")
    with full_disk(4096), pytest.raises(CompileError, match="E0620"):
        LARGE[name](tmp_path / "out")
    assert (tmp_path / "out").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("parts.itn").write_text("block part(x):\n    return conv(x, 4)\n")
    Path("cp.itn").write_text(SPEC.replace("network", "from parts import part\n\nnetwork").replace("conv", "part"))
    Path("cp.itn").write_text(Path("cp.itn").read_text().replace("(image, 4)", "(image)"))
    np.savez("g.npz", w=np.zeros((4, 3, 3, 3), np.float32))
    Path("link").symlink_to("g.npz")
    return tmp_path


OVERWRITE = [
    "emit cp.itn -o cp.itn",
    "emit cp.itn -o ./parts.itn",
    "sweep cp.itn --csv cp.itn",
    "sweep cp.itn --csv parts.itn",
    "weights import g.npz --spec cp.itn -o g.npz",
    "weights import g.npz --spec cp.itn -o link",
    "weights import g.npz --spec cp.itn -o cp.itn",
    "run cp.itn -m edge-16 -i out/n-y.png -o out",
    "run cp.itn -m edge-16 -w out/n-y.png -o out",
]


@pytest.mark.parametrize("line", OVERWRITE)
def test_no_output_overwrites_an_input(line: str, folder: Path) -> None:
    Path("out").mkdir()
    Image.new("RGB", (8, 8)).save("out/n-y.png")
    if " -w " in line:
        weights.save("out/n-y.png", read("cp.itn").network().weights())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, line.split(), catch_exceptions=False)
    assert result.exit_code == 1
    assert result.output.startswith("error[E0606]")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "line", ["emit cp.itn -o out", "weights import g.npz --spec cp.itn -o out", "sweep cp.itn --csv out"]
)
def test_commands_replace_no_device(line: str, folder: Path) -> None:
    pipe(folder / "out")
    result = CliRunner().invoke(app, line.split(), catch_exceptions=False)
    assert result.output.startswith("error[E0605]")
    assert (folder / "out").is_fifo()
