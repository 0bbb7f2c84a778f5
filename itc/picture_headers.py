"""Reads an image's format and size from its header, and bounds the cost of decoding it.

Decoders allocate by the sizes in the header, and the time of some depends on the number of chunks, scans or entries,
not on bytes. So these are checked first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct, calcsize, error, iter_unpack, unpack_from
from typing import BinaryIO

from itc import netpbm
from itc.records import dataclass

#: Maximum chunks of a PNG or segments of a JPEG, and maximum bytes of them without pixel data.
MAX_CHUNKS, MAX_METADATA = 50_000, 16 << 20
#: Maximum scans of a progressive JPEG, each of which takes time by the whole image. Encoders write about ten.
MAX_SCANS = 64
#: Maximum bytes of a WebP, of which its decoder holds three copies.
MAX_WEBP = 64 << 20
BLOCK = 1 << 20
EXIF = b"Exif\0\0"
#: Bytes of one value of each type of an EXIF entry.
EXIF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Header:
    """The format of an image by its content, and its size."""

    format: str
    width: int
    height: int


def header(file: BinaryIO) -> Header:
    """Format and size of the image in `file`, which is rewound afterwards.

    Raises ValueError for unsupported formats, and for files that are too expensive to decode.
    """
    start = file.read(netpbm.MAX_HEADER)
    format = next((name for name, is_in in SIGNATURES.items() if is_in(start)), "")
    if not format:
        raise ValueError("it is not a PNG, JPEG, WebP, BMP or PPM")
    try:
        width, height = SIZES[format](file, start)
    except (error, IndexError):
        raise ValueError("it is cut off") from None
    file.seek(0)
    return Header(format, width, height)


def _png(file: BinaryIO, start: bytes) -> tuple[int, int]:
    """Sizes from the first chunk; the other chunks are counted."""
    if start[12:16] != b"IHDR":
        raise ValueError("its first chunk is not IHDR")
    at, metadata, end = 8, 0, file.seek(0, 2)
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        length = int.from_bytes(head[:4], "big")
        if length > end - at:  # the decoder would allocate all of it
            raise ValueError("it is cut off")
        metadata += 0 if head[4:] == b"IDAT" else length
        at += 12 + length
    else:
        raise ValueError(f"it has more than {MAX_CHUNKS} chunks")
    _bounded(metadata)
    width, height = unpack_from(">II", start, 16)
    return width, height


def _jpeg(file: BinaryIO, _start: bytes) -> tuple[int, int]:
    """Sizes from the segment SOF; the segments before the first scan, the scans and the EXIF entries are counted."""
    size, exif, at = (0, 0), b"", 2
    for marker, at, length in _segments(file):
        _bounded(at)
        file.seek(at)
        if marker in JPEG_FRAMES:
            height, width = unpack_from(">HH", file.read(5), 1)
            size = width, height
        elif marker == 0xE1 and (content := file.read(length)).startswith(EXIF):
            exif += content[len(EXIF) :]
    orientation(exif)
    file.seek(at)
    if _count(file, b"\xff\xda") > MAX_SCANS:
        raise ValueError(f"it has more than {MAX_SCANS} scans")
    return size


#: Markers of a frame: SOF0 to SOF15 but for the tables among them.
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Markers without a length and a content: padding, and those that stand alone.
ALONE = frozenset((0xFF, 0x01, *range(0xD0, 0xD9)))


def _segments(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Marker, offset and content length of each segment up to the first scan; the offset of the scan is before it."""
    at = 2
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        first, marker, length = Struct(">BBH").unpack(file.read(4))
        if first != 0xFF:
            raise ValueError("there is other data between its segments")
        if marker == 0xDA:
            return
        if marker in ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if length < 2:
            raise ValueError("a segment has no length")
        yield marker, at + 4, length - 2
        at += 2 + length
    raise ValueError(f"it has more than {MAX_CHUNKS} segments")


def _count(file: BinaryIO, signature: bytes) -> int:
    """The number of occurrences of two bytes in the rest of a file."""
    count, before = 0, b""
    while block := file.read(BLOCK):
        count += (before + block).count(signature)
        before = block[-1:]
    return count


def _webp(file: BinaryIO, start: bytes) -> tuple[int, int]:
    """Sizes from the first chunk, of one of three kinds."""
    if file.seek(0, 2) > MAX_WEBP:
        raise ValueError(f"as a WebP it has at most {MAX_WEBP >> 20} MiB")
    match start[12:16]:
        case b"VP8X":
            width, height = (1 + int.from_bytes(start[at : at + 3], "little") for at in (24, 27))
        case b"VP8L":
            bits = unpack_from("<I", start, 21)[0]
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = (size & 0x3FFF for size in unpack_from("<HH", start, 26))
        case _:
            raise ValueError("its first chunk is not one of a WebP")
    return width, height


def _bmp(_file: BinaryIO, start: bytes) -> tuple[int, int]:
    """Sizes from the header; a negative height is of rows from the top."""
    if unpack_from("<I", start, 14)[0] == 12:
        width, height = unpack_from("<HH", start, 18)
        return width, height
    width, height = unpack_from("<ii", start, 18)
    if unpack_from("<I", start, 30)[0] in (1, 2):
        raise ValueError("it is run-length encoded; save it as a PNG")
    return width, abs(height)


def _netpbm(_file: BinaryIO, start: bytes) -> tuple[int, int]:
    head = netpbm.header(start)
    return head.width, head.height


SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "PNG": lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"),
    "JPEG": lambda start: start.startswith(b"\xff\xd8\xff"),
    "WebP": lambda start: start.startswith(b"RIFF") and start[8:12] == b"WEBP",
    "BMP": lambda start: start.startswith(b"BM"),
    "PPM": lambda start: start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace(),
}
SIZES = {"PNG": _png, "JPEG": _jpeg, "WebP": _webp, "BMP": _bmp, "PPM": _netpbm}


def _bounded(metadata: int) -> None:
    if metadata > MAX_METADATA:
        raise ValueError(f"it has more than {MAX_METADATA >> 20} MiB without pixel data")


def orientation(exif: bytes) -> int:
    """The EXIF orientation of the image, 1 to 8; 1 (unchanged) if there is none.

    Raises ValueError if the values overlap, since a reader would hold a multiple of the file.
    """
    data = exif.removeprefix(EXIF)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return 1
    try:
        at = unpack_from(f"{order}I", data, 4)[0]
        count = unpack_from(f"{order}H", data, at)[0]
    except error:
        return 1
    form = f"{order}HHIHxx"
    table = data[at + 2 : at + 2 + count * calcsize(form)]
    entries = list(iter_unpack(form, table[: len(table) // calcsize(form) * calcsize(form)]))
    if sum(EXIF_SIZES.get(kind, 0) * count for _, kind, count, _ in entries) > 2 * len(data):
        raise ValueError("the values of its EXIF data overlap")
    said = next((value for tag, kind, _, value in entries if (tag, kind) == (ORIENTATION, 3)), 1)
    return said if 1 <= said <= 8 else 1
