"""Decodes images in the PBM, PGM and PPM formats, plain and raw, to arrays of 8 bits per sample.

Pillow decodes all but raw 8-bit images in Python, value by value; this decoder is vectorised.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

import numpy as np

from itc.records import dataclass

#: Maximum bytes of the header, including comments.
MAX_HEADER = 4096
#: Maximum bytes of a plain image, whose values are text.
MAX_PLAIN = 16 << 20
#: Samples per read.
BLOCK = 1 << 20
NUMBER = rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})"
HEADER = re.compile(rb"P(?:([14])" + 2 * NUMBER + rb"|([2356])" + 3 * NUMBER + rb")\s")
COMMENT = re.compile(rb"#[^\r\n]*")


@dataclass(frozen=True)
class Header:
    """The header of an image: `kind` 1 to 6, sizes, the value of white, and the offset of the values."""

    kind: int
    width: int
    height: int
    white: int
    end: int

    @property
    def bands(self) -> int:
        return 3 if self.kind in (3, 6) else 1

    @property
    def plain(self) -> bool:
        return self.kind <= 3


def header(start: bytes) -> Header:
    """The header in a file's first bytes; raises ValueError if there is none."""
    match = HEADER.match(start[:MAX_HEADER])
    if not match:
        raise ValueError(f"there is no header of a PBM, PGM or PPM in its first {MAX_HEADER} bytes")
    kind, *sizes = (int(group) for group in match.groups() if group is not None)
    width, height, white = (*sizes, 1)[:3]
    if not 0 < white < 1 << 16:
        raise ValueError(f"its maximum value is {white}, not from 1 to 65535")
    return Header(kind, width, height, white, match.end())


def pixels(file: BinaryIO, head: Header) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The samples as [height, width] or [height, width, 3]; raises ValueError for missing or invalid ones."""
    file.seek(head.end)
    shape = (head.height, head.width, head.bands)[: 2 + (head.bands > 1)]
    if head.kind == 4:
        return _bits(file, head)
    out = np.empty(int(np.prod(shape)), np.uint8)
    if head.plain:
        out[:] = _scaled(_plain(file, head, out.size), head.white)
    else:
        for at in range(0, out.size, BLOCK):
            out[at : at + BLOCK] = _scaled(_raw(file, head, min(BLOCK, out.size - at)), head.white)
    return (255 * (1 - out) if head.kind == 1 else out).reshape(shape)


def _raw(file: BinaryIO, head: Header, count: int) -> np.ndarray[Any, Any]:
    """The next samples, of one byte, or of two if white exceeds one byte."""
    dtype = np.dtype(np.uint8 if head.white < 256 else ">u2")
    content = file.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise ValueError("it is cut off")
    return np.frombuffer(content, dtype)


def _bits(file: BinaryIO, head: Header) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A raw bitmap: rows of whole bytes, where ones are black."""
    size = -(-head.width // 8)
    content = file.read(size * head.height)
    if len(content) < size * head.height:
        raise ValueError("it is cut off")
    rows = np.frombuffer(content, np.uint8).reshape(head.height, size)
    return 255 * (1 - np.unpackbits(rows, axis=1)[:, : head.width])


def _plain(file: BinaryIO, head: Header, count: int) -> np.ndarray[Any, Any]:
    """The samples of a plain image: numbers as text, or, for a bitmap, digits with optional spaces."""
    content = file.read(MAX_PLAIN + 1)
    if len(content) > MAX_PLAIN:
        raise ValueError(f"it is plain text of more than {MAX_PLAIN >> 20} MiB; save it in a raw format")
    content = COMMENT.sub(b"", content)
    if content.translate(None, b"0123456789 \t\r\n\v\f"):
        raise ValueError("a value is not a number")
    if head.kind == 1:
        values = np.frombuffer(b"".join(content.split()), np.uint8) - np.uint8(ord("0"))
    else:
        values = np.fromstring(content.decode("ascii"), np.uint64, sep=" ")
    if len(values) < count:
        raise ValueError("it is cut off")
    return values[:count]


def _scaled(values: np.ndarray[Any, Any], white: int) -> np.ndarray[Any, Any]:
    """Values from 0 to `white` scaled to 0 to 255 and rounded; those of a bitmap stay 0 and 1."""
    if (values > white).any():
        raise ValueError(f"a value exceeds the maximum, {white}")
    return values if white in (1, 255) else (values.astype(np.uint32) * 255 + white // 2) // white
