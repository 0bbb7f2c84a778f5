"""A file in, its tensors by name out: safetensors and .npz; what can run code when it is read is refused.

PyTorch's own files are pickles. Its restricted reader (`weights_only=True`) has had holes of its own (CVE-2025-32434),
and what is read here need not be trusted: so they are refused, with the command that converts one where it is.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

import numpy as np

from itc import weights
from itc.diagnostics import CompileError, fail
from itc.ir.op import Array

#: Uncompressed bytes of an .npz; what is longer belongs into safetensors, which are not compressed.
MAX_BYTES = 2 << 30
CONVERT = (
    "convert it where you trust it, then import the other file:\n"
    "python -c \"import torch, safetensors.torch as s; d = torch.load('{name}', weights_only=True); "
    "s.save_file({{k: v.clone().contiguous() for k, v in d.items()}}, '{stem}.safetensors')\""
)


def read_tensors(path: Path) -> dict[str, Array]:
    """Every tensor by its name in the file; the format is told by content.

    Raises CompileError: E0610 for a file that is not there, E0611 for one in no known format, E0614 for types that
    NumPy has not, E0650 for pickles, E0651 for a broken or too large .npz.
    """
    start = _start(path)
    if start[8:9] == b"{":  # safetensors: the length of a header in JSON, then the header
        return weights.read(path)
    if start[:4] == b"PK\x03\x04":
        return _npz(path)
    if start[:1] == b"\x80" or path.suffix in (".pt", ".pth", ".pkl", ".ckpt"):
        raise _pickle(path)
    return weights.read(path)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(9)
    except FileNotFoundError:
        raise fail("E0610", f"there is no checkpoint {path}") from None
    except IsADirectoryError:
        raise fail("E0611", f"{path} is a folder, not a file of weights") from None
    except OSError as error:
        raise fail("E0611", f"{path} cannot be read: {error.strerror or error}") from None


def _pickle(path: Path) -> CompileError:
    help = CONVERT.format(name=path.name, stem=path.stem)
    return fail("E0650", f"{path} is a pickle: reading it can run code, so itc does not", help=help)


def _npz(path: Path) -> dict[str, Array]:
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.filename.endswith((".pkl", "/version")) for member in members):
                raise _pickle(path)
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise fail("E0651", f"{path} is larger than 2 GiB when it is unpacked", help="save it as safetensors")
            found = {}
            for member in members:
                with archive.open(member) as file:
                    found[member.filename.removesuffix(".npy")] = _array(file, member.file_size)
            return found
    except (BadZipFile, ValueError, EOFError, OSError, NotImplementedError, RuntimeError, SyntaxError):
        raise fail("E0651", f"{path} is not an .npz file of plain arrays, or is broken") from None


def _array(file: IO[bytes], size: int) -> Array:
    """One .npy of `size` bytes. Nothing is allocated before its header is known to agree with that."""
    version = np.lib.format.read_magic(file)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if reader is None:
        raise ValueError(f"an array of format {version}")
    shape, fortran, dtype = reader(file)
    if dtype.hasobject or prod(shape) * dtype.itemsize > size:
        raise ValueError("an array of objects, or shorter than it says")
    flat = np.frombuffer(file.read(prod(shape) * dtype.itemsize), dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
