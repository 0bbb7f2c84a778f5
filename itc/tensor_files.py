"""Reads files of tensors: names, types and shapes first, the values of a tensor on access.

So unused tensors of a file cost only its header. The safetensors format is read here;
`itc.checkpoints` adds others.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from itc.diagnostics import CompileError, fail
from itc.files import opened
from itc.ir.op import Array
from itc.records import dataclass

#: Maximum bytes of a header, and tensors of a file; large language models have some ten thousand.
MAX_HEADER, MAX_TENSORS = 16 << 20, 100_000
MAX_RANK, MAX_ELEMENTS = 32, 1 << 48
PICKLES = (".pt", ".pth", ".pkl", ".ckpt")
CONVERT = (
    "if you trust it, convert it, then import the new file:\n"
    "python -c \"import torch, safetensors.torch as s; d = torch.load('{name}', weights_only=True); "
    "s.save_file({{k: v.clone().contiguous() for k, v in d.items()}}, '{stem}.safetensors')\""
)
#: The types of safetensors supported by NumPy.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8",
}  # fmt: skip
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """The declaration of a tensor; `dtype` is None for a type not supported by NumPy, whose name is `type`."""

    shape: Shape
    type: str
    dtype: np.dtype[Any] | None
    start: int = 0
    fortran: bool = False

    @property
    def bytes(self) -> int:
        return prod(self.shape) * (self.dtype.itemsize if self.dtype else 0)


class Tensors(Mapping[str, Array]):
    """The tensors of a file by name. Each access reads the values of a tensor."""

    def __init__(self, entries: Mapping[str, Entry], read: Callable[[str], Array], close: Callable[[], None]) -> None:
        self.entries = entries
        self._read = read
        weakref.finalize(self, close)

    @property
    def shapes(self) -> dict[str, Shape]:
        return {name: entry.shape for name, entry in self.entries.items()}

    def __getitem__(self, name: str) -> Array:
        if name not in self.entries:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def shapes(found: Mapping[str, Array]) -> dict[str, Shape]:
    """The shape of each tensor, without reading its values."""
    return found.shapes if isinstance(found, Tensors) else {name: array.shape for name, array in found.items()}


def type_name(found: Mapping[str, Array], name: str) -> str:
    """The type of a tensor, with NumPy's name if it is supported, without reading its values."""
    return found.entries[name].type if isinstance(found, Tensors) else found[name].dtype.name


def open_tensors(path: Path) -> BufferedReader:
    """A file of tensors. Raises CompileError: E0604 (pipe or device), E0610 (missing), E0611 (unreadable)."""
    try:
        return opened(path)
    except FileNotFoundError:
        raise fail("E0610", f"there is no checkpoint {path}") from None
    except IsADirectoryError:
        raise fail("E0611", f"{path} is a folder, not a file of weights") from None
    except (OSError, ValueError) as error:
        raise fail("E0611", f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_safetensors(path: Path) -> Tensors:
    """The tensors of a safetensors file.

    Raises CompileError as `open_tensors`, and E0611 for another format, E0617 for a header above the limits, E0650 for
    a pickle.
    """
    file = open_tensors(path)
    try:
        entries = _entries(file, path)
    except BaseException:
        file.close()
        raise
    return Tensors(entries, lambda name: _values(file, path, name, entries[name]), file.close)


def _entries(file: BufferedReader, path: Path) -> dict[str, Entry]:
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{" and is_pickle(start, path):
        raise pickle(path)
    if start[:4] == b"PK\x03\x04":
        raise fail("E0611", f"{path} is an .npz, not a safetensors file", help="`itc weights import` reads it")
    if size < 8 or length > size - 8:
        raise fail("E0611", f"{path} is not a safetensors file: it is shorter than its header")
    if length > MAX_HEADER:
        raise fail("E0617", f"{path} has a header of {length:,} bytes, the limit is {MAX_HEADER:,}")
    file.seek(8)
    try:
        declared = json.loads(file.read(length).decode(), object_pairs_hook=_unique)
        if not isinstance(declared, dict):
            raise ValueError("its header is not a table of tensors")
        declared.pop("__metadata__", None)
        if len(declared) <= MAX_TENSORS:
            return _checked(declared, 8 + length, size)
    except (ValueError, RecursionError) as error:
        raise fail("E0611", f"{path} is not a safetensors file: {error}") from None
    raise fail("E0617", f"{path} has {len(declared):,} tensors, the limit is {MAX_TENSORS:,}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header has a duplicate name")
    return found


def _checked(declared: dict[str, Any], start: int, size: int) -> dict[str, Entry]:
    """The entries; raises ValueError unless they are contiguous and fill the file."""
    spans = sorted((_span(name, value), name) for name, value in declared.items())
    at = start
    for (begin, end), name in spans:
        if begin + start != at:
            raise ValueError(f"the bytes of {name} do not follow the previous tensor")
        at = start + end
    if at != size:
        raise ValueError(f"its tensors end at byte {at}, the file at {size}")
    entries = {}
    for (begin, end), name in spans:
        kind = declared[name]["dtype"]
        dtype = np.dtype(DTYPES[kind]) if kind in DTYPES else None
        entry = Entry(tuple(declared[name]["shape"]), dtype.name if dtype else kind, dtype, start + begin)
        if dtype and entry.bytes != end - begin:
            raise ValueError(f"{name} has {end - begin} bytes, its shape needs {entry.bytes}")
        entries[name] = entry
    return {name: entries[name] for name in declared}


def _span(name: str, value: Any) -> tuple[int, int]:
    """The first and last byte of a tensor. Raises ValueError for an invalid declaration."""
    name.encode()  # rejects lone surrogates
    if not isinstance(value, dict) or not isinstance(value.get("dtype"), str):
        raise ValueError(f"{name} has no type")
    if not is_shape(value.get("shape")):
        raise ValueError(f"{name} has no valid shape")
    offsets = value.get("data_offsets")
    if not is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"{name} has no first and last byte")
    return offsets[0], offsets[1]


def is_sizes(value: Any) -> TypeGuard[list[int]]:
    """Whether a value is a list of non-negative integers, without booleans."""
    return isinstance(value, list | tuple) and all(type(number) is int and number >= 0 for number in value)


def is_shape(value: Any) -> TypeGuard[list[int]]:
    """Whether NumPy supports an array of this shape, including empty ones."""
    return is_sizes(value) and len(value) <= MAX_RANK and prod(max(1, size) for size in value) <= MAX_ELEMENTS


def _values(file: BufferedReader, path: Path, name: str, entry: Entry) -> Array:
    if entry.dtype is None:
        help = "weights are float16, float32 or float64; save them as one of these"
        raise fail("E0614", f"{path} has {name} as {entry.type}", help=help)
    file.seek(entry.start)
    values = np.empty(prod(entry.shape), entry.dtype)
    if file.readinto(values.view(np.uint8).data) < entry.bytes:
        raise fail("E0611", f"{path} was truncated while it was read")
    return values.reshape(entry.shape)


def is_pickle(start: bytes, path: Path) -> bool:
    """Whether a file is a pickle by its start; the oldest protocols are recognised by their end."""
    return start[:1] == b"\x80" or path.suffix in PICKLES


def pickle(path: Path) -> CompileError:
    help = CONVERT.format(name=path.name, stem=path.stem)
    return fail("E0650", f"{path} is a pickle: loading it can run code, so itc refuses it", help=help)
