"""Reads and writes files: only regular files are read and replaced, and writes are atomic."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EISDIR, ENOTDIR
from io import BufferedReader
from pathlib import Path

from itc.diagnostics import fail

#: Stands for standard input among the names of files.
STANDARD_INPUT = "-"
#: Kinds of special files, by the test of the mode.
SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
#: Flags to open a pipe without waiting, and a terminal without making it the controlling one.
NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def opened(path: Path) -> BufferedReader:
    """The regular file at `path`, open for reading. Raises OSError, and CompileError (E0604) for a pipe or device."""
    _regular(path, path.stat().st_mode)  # opening some devices has side effects
    handle = os.open(path, os.O_RDONLY | NO_WAITING)
    try:
        _regular(path, os.fstat(handle).st_mode)  # it may have been replaced
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    if not stat.S_ISREG(mode):
        help = "write its content to a file first, and give that"
        raise fail("E0604", f"{path} is {_special(mode)}, not a regular file", help=help)


def _special(mode: int) -> str:
    return next((name for test, name in SPECIAL if test(mode)), "a special file")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Converts OSError to a CompileError (E0620) with `path`."""
    try:
        yield
    except OSError as error:
        raise fail("E0620", f"cannot write {path}: {error.strerror or error}") from None


def folder(path: Path) -> None:
    """Creates the folder `path` and its parents; raises CompileError (E0620) on failure."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def writable(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Raises CompileError if the file `path` cannot be written, before a long computation.

    E0620 for errors of the file system, E0605 for a pipe or a device, E0606 for one of the `inputs` of the command.
    """
    _in_folder(path)
    with writing(path):
        target = _target(path)
        if target is not None:
            _open_to_us(target.parent)
    for other in inputs:
        if _same(path, other):
            help = "write to another file"
            raise fail("E0606", f"{path} would overwrite the input {other}", help=help)


def _same(one: Path, other: Path) -> bool:
    with suppress(OSError, ValueError):
        return one.samefile(other)
    return False


def writable_folder(path: Path) -> None:
    """Raises CompileError (E0620) if the folder `path` could not be created, before a long computation."""
    with writing(path):
        there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError(ENOTDIR, f"{there} is not a folder")
        _open_to_us(there)


def _open_to_us(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(EACCES, os.strerror(EACCES))


def _in_folder(path: Path) -> None:
    """Raises CompileError (E0620) if the folder of a file to write does not exist."""
    if not path.parent.exists():
        help = f"create the folder first: `mkdir -p {shlex.quote(str(path.parent))}`"
        raise fail("E0620", f"cannot write {path}: there is no folder {path.parent}", help=help)


def _target(path: Path) -> Path | None:
    """The regular file, existing or not, to which `path` resolves; None for the null device.

    Raises OSError for a folder, and CompileError (E0605) for special files and open files of a process.
    """
    target = Path(os.path.realpath(path))
    try:
        found = path.stat()
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(EISDIR, "it is a folder")
    if _is_null(found):
        return None
    is_file = stat.S_ISREG(found.st_mode)
    if not is_file or target.is_relative_to("/proc") or _open_file_of_a_process(path):
        what = "leads to an open file of a process" if is_file else f"is {_special(found.st_mode)}"
        help = "give the path of a file; `itc emit` accepts `-` for standard output"
        raise fail("E0605", f"cannot write {path}: it {what}, which is not replaced", help=help)
    return target


def _is_null(found: os.stat_result) -> bool:
    with suppress(OSError):
        null = Path(os.devnull).stat()
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == null.st_rdev
    return False


def _open_file_of_a_process(path: Path) -> bool:
    """Whether a link on the path, such as /dev/stdout, is a link of /proc to an open file."""
    for _ in range(40):
        at = Path(os.path.realpath(path.parent), path.name)
        if at.is_relative_to("/proc"):
            return True
        if not at.is_symlink():
            return False
        path = at.parent / at.readlink()
    return False


#: Standard input and what has been read from it.
_piped: tuple[object, bytes] = (None, b"")


def standard_input(most: int) -> bytes:
    """What is piped in, the same for all who ask; of an endless stream `most` bytes. Raises CompileError (E0603)."""
    global _piped  # noqa: PLW0603 -- a stream can be read once
    if sys.stdin is None:
        raise fail("E0603", "cannot read standard input: it is closed")
    if _piped[0] is not sys.stdin:
        try:
            _piped = (sys.stdin, sys.stdin.buffer.read(most))
        except OSError as error:
            raise fail("E0603", f"cannot read standard input: {error.strerror}") from None
    return _piped[1]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file next to `path` that replaces `path` when the block succeeds, and is removed otherwise.

    A link stays and its target is replaced. An existing file keeps its permissions; a new one has those of the umask.
    The null device is written directly. Raises CompileError if `path` cannot be written (E0620) or is a pipe or a
    device (E0605).
    """
    _in_folder(path)
    with writing(path):
        target = _target(path)
        if target is None:
            yield path
            return
        beside = _new_file(target.parent)
        try:
            if target.exists():
                beside.chmod(target.stat().st_mode & 0o777)
            yield beside
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def _new_file(folder: Path) -> Path:
    """An empty file with a unique name; the system applies the umask."""
    path = folder / f".itc-{os.urandom(8).hex()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return path


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically."""
    with replacing(path) as beside:
        beside.write_bytes(content)
