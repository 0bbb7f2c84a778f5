"""Writing files so that a failure never leaves half of one behind."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EISDIR, ENOTDIR
from pathlib import Path
from tempfile import mkstemp

from itc.diagnostics import fail


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the file system says into a CompileError (E0620) that names `path`."""
    try:
        yield
    except OSError as error:
        raise fail("E0620", f"cannot write {path}: {error.strerror or error}") from None


def folder(path: Path) -> None:
    """Makes the folder `path` and those above it; raises CompileError (E0620) where that is not possible."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def writable(path: Path) -> None:
    """Raises CompileError (E0620) where a file `path` cannot be written, before much is computed for it."""
    _in_folder(path)
    with writing(path):
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        _open_to_us(path.parent)


def writable_folder(path: Path) -> None:
    """Raises CompileError (E0620) where `folder` could not make `path`, before much is computed for it."""
    with writing(path):
        there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError(ENOTDIR, f"{there} is not a folder")
        _open_to_us(there)


def _open_to_us(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(EACCES, os.strerror(EACCES))


def _in_folder(path: Path) -> None:
    """Raises CompileError (E0620) where the folder of a file to write is not there."""
    if not path.parent.exists():
        help = f"make the folder first: `mkdir -p {shlex.quote(str(path.parent))}`"
        raise fail("E0620", f"cannot write {path}: there is no folder {path.parent}", help=help)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` to write to: it takes the place of `path` when the block ends well, else it goes.

    A link stays and what it leads to is replaced, with its permissions; a device or a pipe is written to as it is.
    Raises CompileError (E0620) where `path` cannot be written.
    """
    _in_folder(path)
    with writing(path):
        path = Path(os.path.realpath(path))
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        if path.exists() and not path.is_file():
            yield path
            return
        handle, name = mkstemp(dir=path.parent, prefix=".itc-")
        os.close(handle)
        beside = Path(name)
        try:
            beside.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file, or nothing."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
