"""Tensors in files: names, types and shapes are read first, the values of one when they are asked for.

So a file that declares more than a network needs costs nothing but its header. The safetensors format is read here;
`itc.checkpoints` adds others.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from itc.diagnostics import CompileError, fail
from itc.files import opened
from itc.ir.op import Array

#: Bytes of a header, and tensors of a file; large language models have some ten thousand.
MAX_HEADER, MAX_TENSORS = 16 << 20, 100_000
MAX_RANK, MAX_ELEMENTS = 32, 1 << 48
PICKLES = (".pt", ".pth", ".pkl", ".ckpt")
CONVERT = (
    "convert it where you trust it, then import the other file:\n"
    "python -c \"import torch, safetensors.torch as s; d = torch.load('{name}', weights_only=True); "
    "s.save_file({{k: v.clone().contiguous() for k, v in d.items()}}, '{stem}.safetensors')\""
)
#: The types of safetensors that NumPy has.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8",
}  # fmt: skip
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """A tensor as its file declares it; `dtype` is None for a type that NumPy has not, whose name is `type`."""

    shape: Shape
    type: str
    dtype: np.dtype[Any] | None
    start: int = 0
    fortran: bool = False

    @property
    def bytes(self) -> int:
        return prod(self.shape) * (self.dtype.itemsize if self.dtype else 0)


class Tensors(Mapping[str, Array]):
    """The tensors of a file by name. Looking one up reads its values, each time anew."""

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
    """The shape of each tensor; of a file's, none is read for it."""
    return found.shapes if isinstance(found, Tensors) else {name: array.shape for name, array in found.items()}


def type_name(found: Mapping[str, Array], name: str) -> str:
    """The type of a tensor, as NumPy calls it if it has it; of a file's, it is not read for it."""
    return found.entries[name].type if isinstance(found, Tensors) else found[name].dtype.name


def open_tensors(path: Path) -> BufferedReader:
    """A file of tensors. Raises CompileError: E0604 a pipe or a device, E0610 no such file, E0611 it is unreadable."""
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

    Raises CompileError as `open_tensors`, and E0611 for another format, E0617 for a header beyond the bounds, E0650 for
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
        raise fail("E0611", f"{path} is not a safetensors file: it is shorter than its header says")
    if length > MAX_HEADER:
        raise fail("E0617", f"{path} has a header of {length:,} bytes, and at most {MAX_HEADER:,} are read")
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
    raise fail("E0617", f"{path} has {len(declared):,} tensors, and at most {MAX_TENSORS:,} are read")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header has a name twice")
    return found


def _checked(declared: dict[str, Any], start: int, size: int) -> dict[str, Entry]:
    """The entries, which lie side by side and fill the file. Raises ValueError for others."""
    spans = sorted((_span(name, value), name) for name, value in declared.items())
    at = start
    for (begin, end), name in spans:
        if begin + start != at:
            raise ValueError(f"the bytes of {name} do not follow those before")
        at = start + end
    if at != size:
        raise ValueError(f"its tensors end at byte {at}, and the file at {size}")
    entries = {}
    for (begin, end), name in spans:
        kind = declared[name]["dtype"]
        dtype = np.dtype(DTYPES[kind]) if kind in DTYPES else None
        entry = Entry(tuple(declared[name]["shape"]), dtype.name if dtype else kind, dtype, start + begin)
        if dtype and entry.bytes != end - begin:
            raise ValueError(f"{name} has {end - begin} bytes, and its shape takes {entry.bytes}")
        entries[name] = entry
    return {name: entries[name] for name in declared}


def _span(name: str, value: Any) -> tuple[int, int]:
    """The first and last byte of a tensor. Raises ValueError unless it is declared in the form of the format."""
    name.encode()  # half of a surrogate pair is no name
    if not isinstance(value, dict) or not isinstance(value.get("dtype"), str):
        raise ValueError(f"{name} has no type")
    if not is_shape(value.get("shape")):
        raise ValueError(f"{name} has no shape that can be")
    offsets = value.get("data_offsets")
    if not is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"{name} has no first and last byte")
    return offsets[0], offsets[1]


def is_sizes(value: Any) -> TypeGuard[list[int]]:
    """Whether a value is a list of whole numbers that are not negative; true and false are none."""
    return isinstance(value, list | tuple) and all(type(number) is int and number >= 0 for number in value)


def is_shape(value: Any) -> TypeGuard[list[int]]:
    """Whether NumPy can have an array of this shape; empty ones are bounded too."""
    return is_sizes(value) and len(value) <= MAX_RANK and prod(max(1, size) for size in value) <= MAX_ELEMENTS


def _values(file: BufferedReader, path: Path, name: str, entry: Entry) -> Array:
    if entry.dtype is None:
        help = "weights are float16, float32 or float64; save them as one of these"
        raise fail("E0614", f"{path} has {name} as {entry.type}", help=help)
    file.seek(entry.start)
    values = np.empty(prod(entry.shape), entry.dtype)
    if file.readinto(values.view(np.uint8).data) < entry.bytes:
        raise fail("E0611", f"{path} was cut off while it was read")
    return values.reshape(entry.shape)


def is_pickle(start: bytes, path: Path) -> bool:
    """Whether a file that starts so is a pickle; the oldest have no sign at their start, but an ending of their own."""
    return start[:1] == b"\x80" or path.suffix in PICKLES


def pickle(path: Path) -> CompileError:
    help = CONVERT.format(name=path.name, stem=path.stem)
    return fail("E0650", f"{path} is a pickle: reading it can run code, so itc does not", help=help)
