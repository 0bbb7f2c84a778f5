"""Reads an .npz, a zip of .npy files: all headers first, the values of an array on access."""

from __future__ import annotations

import io
import warnings
from math import prod
from pathlib import Path
from typing import IO, Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from itc.diagnostics import CompileError, fail
from itc.ir.op import Array
from itc.tensor_files import Entry, Tensors, is_shape, open_tensors, pickle

#: Maximum uncompressed bytes and number of arrays of an .npz.
MAX_BYTES, MAX_ARRAYS = 2 << 30, 20_000
#: Maximum bytes of the zip's directory, and characters of an array's header.
MAX_LIST, MAX_HEADER = 8 << 20, 10_000
BLOCK = 1 << 20
SAVE = "save it as safetensors"


class _Bounded(io.RawIOBase):
    """A file that limits single reads to `MAX_LIST` bytes, since the directory of a zip can have any length."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, size: int | None = -1) -> bytes:
        wanted = -1 if size is None else size
        content = self.file.read(min(wanted, MAX_LIST + 1) if wanted >= 0 else MAX_LIST + 1)
        if len(content) > MAX_LIST:
            raise ValueError("its list of files is too long")
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self.file.close()
        super().close()


def read_npz(path: Path) -> Tensors:
    """The arrays of an .npz.

    Raises CompileError: E0604, E0610, E0611 as `open_tensors`, E0650 for a zip of PyTorch's, E0651 for one that is
    corrupt, contains more than plain arrays, or is too large.
    """
    file = _Bounded(open_tensors(path))
    try:
        archive = ZipFile(file)
        members = _members(archive, path)
        entries = {name: _entry(archive, member) for name, member in members.items()}
    except CompileError:
        file.close()
        raise
    except Exception:  # zipfile and NumPy raise various exceptions for corrupt files
        file.close()
        raise _broken(path) from None

    def read(name: str) -> Array:
        try:
            return _values(archive, members[name], entries[name])
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            raise _broken(path) from None

    return Tensors(entries, read, file.close)


def _broken(path: Path) -> CompileError:
    return fail("E0651", f"{path} is not an .npz file of plain arrays, or is corrupt")


def _members(archive: ZipFile, path: Path) -> dict[str, ZipInfo]:
    """The files in a zip by the names of their arrays."""
    listed = archive.infolist()
    if any(member.filename.endswith((".pkl", "/version")) for member in listed):
        raise pickle(path)
    if len(listed) > MAX_ARRAYS:
        raise fail("E0651", f"{path} has {len(listed):,} arrays, the limit is {MAX_ARRAYS:,}", help=SAVE)
    if sum(member.file_size for member in listed) > MAX_BYTES:
        raise fail("E0651", f"{path} is larger than 2 GiB when unpacked", help=SAVE)
    members = {member.filename.removesuffix(".npy"): member for member in listed}
    if len(members) < len(listed) or any(m.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for m in listed):
        raise ValueError("a duplicate name, or an unsupported compression")
    return members


def _entry(archive: ZipFile, member: ZipInfo) -> Entry:
    """The header of an array, checked against the size of its file."""
    with archive.open(member) as file:
        header = _header(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python 2, which wrote numbers with an L
        version = np.lib.format.read_magic(io.BytesIO(header))
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(io.BytesIO(header[8:]))
    if not is_shape(shape) or dtype.hasobject or dtype.fields or dtype.subdtype:
        raise ValueError("an array of objects or records, or of an invalid shape")
    if len(header) + prod(shape) * dtype.itemsize > member.file_size:
        raise ValueError("an array that is shorter than its header states")
    return Entry(tuple(shape), dtype.name, dtype, len(header), fortran)


def _header(file: IO[bytes]) -> bytes:
    """The header of a .npy, whose length field depends on the version."""
    start = file.read(8)
    digits = {b"\1\0": 2, b"\2\0": 4}[start[6:]]
    length = file.read(digits)
    if int.from_bytes(length, "little") > MAX_HEADER:
        raise ValueError("a header that is too long")
    return start + length + file.read(int.from_bytes(length, "little"))


def _values(archive: ZipFile, member: ZipInfo, entry: Entry) -> Array:
    """One array; unpacks at most the bytes of its shape."""
    values: np.ndarray[Any, Any] = np.empty(prod(entry.shape), entry.dtype)
    raw, at = values.view(np.uint8), 0
    with archive.open(member) as file:
        file.read(entry.start)
        while at < raw.size and (block := file.read(min(BLOCK, raw.size - at))):
            raw[at : at + len(block)] = np.frombuffer(block, np.uint8)
            at += len(block)
    if at < raw.size:
        raise ValueError("an array that is shorter than its header states")
    return values.reshape(entry.shape, order="F" if entry.fortran else "C")
