"""Writing files so that a failure never leaves half of one behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

from itc.diagnostics import fail


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` to write to: it takes the place of `path` when the block ends well, else it goes.

    Raises CompileError (E0620) where the folder cannot be written.
    """
    try:
        handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise fail("E0620", f"cannot write {path}: {error.strerror}") from None
    os.close(handle)
    beside = Path(name)
    beside.chmod(0o644)
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file, or nothing."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
