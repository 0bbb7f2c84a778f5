"""Pictures and .npz files to start from, and changes of their chunks, lengths, sizes and bytes that keep their form.

All are texts in Latin-1, a character a byte, as the targets take texts.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Sequence
from functools import cache
from math import prod
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.fuzz import texts

#: What sizes, lengths and offsets become.
NUMBERS = (0, 1, 2, 3, 7, 8, 12, 16, 127, 128, 255, 256, 4096, 0x7FFF, 0xFFFF, 1 << 16, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF)
NPY_WORDS = (
    *texts.NUMBERS, "True", "False", "None", "'<f4'", "'>f8'", "'|O'", "'|b1'", "'<U9'", "'|V8'", "[('a', '<f4')]",
    "(", ")", "(4,)", "(2, 3, 1)", "()", ",", "'shape'", "'descr'", "'fortran_order'", "{", "}", ":", "-", "*", "L",
    "f()",
)  # fmt: skip
CHANGED = (1, 1, 1, 2, 3)
Chunks = list[tuple[bytes, bytes]]


@cache
def pictures() -> tuple[str, ...]:
    """Small pictures of every format and kind that is read, and some that are not."""
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 255, (9, 13, 3), np.uint8))
    clear = Image.fromarray(rng.integers(0, 255, (9, 13, 4), np.uint8))
    deep = Image.fromarray(rng.integers(0, 65535, (9, 13), np.uint16))
    tag = Image.Exif()
    tag[0x0112], tag[0x010E], tag[0x011A] = 6, "a picture", 72.0
    found = [_saved(deep, "PNG", transparency=300), _saved(colour, "PNG", exif=tag, dpi=(72, 72))]
    found += [
        _saved(picture, "PNG") for picture in (clear, colour.convert("1"), colour.convert("P"), clear.convert("LA"))
    ]
    found += [_saved(colour, "JPEG", exif=tag), _saved(colour, "JPEG", progressive=True, comment="a", optimize=True)]
    found += [_saved(colour.convert(mode), "JPEG", quality=30) for mode in ("L", "CMYK")]
    found += [_saved(clear, "WEBP", exif=tag), _saved(clear, "WEBP", lossless=True), _saved(colour, "WEBP", quality=5)]
    found += [_saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(90)])]
    found += [_saved(colour.convert(mode), "BMP") for mode in ("RGB", "L", "1")] + [_saved(clear, "BMP")]
    found += [_saved(colour.convert(mode), "PPM") for mode in ("RGB", "L", "1")] + [_saved(deep, "PPM")]
    found += [b"P3\n# a\n2 2\n9\n1 2 3 4 5 6 7 8 9 0 1 2\n", b"P2 2 1 255 3 4 ", b"P1\n3 2\n101 0 1 0"]
    found += [_saved(colour, format) for format in ("GIF", "TIFF", "ICO", "EPS")]
    return tuple(content.decode("latin-1") for content in found)


def _saved(picture: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


@cache
def npzs() -> tuple[str, ...]:
    """Archives for the net of `targets`, and others."""
    weight, bias = np.zeros((2, 3, 1, 1), np.float32), np.ones(2)
    right = {"a.weight": weight, "a.bias": bias}
    wrong = {"a.weight": np.asfortranarray(weight.astype(">f8")), "b": np.array(["text"]), "c.num_batches_tracked": 3}
    found = []
    for save, arrays in ((np.savez, right), (np.savez_compressed, right), (np.savez_compressed, wrong)):
        out = io.BytesIO()
        save(out, **arrays)
        found.append(out.getvalue().decode("latin-1"))
    return tuple(found)


def mutated_picture(text: str, rng: Random) -> str:
    """A picture with one to three of its chunks changed; most often lengths and checksums are right again."""
    content = text.encode("latin-1", "replace")
    if content.startswith(b"P") and rng.random() < 0.5:
        return texts.mutated(text, rng, [*texts.NUMBERS, "P1", "P3", "P6", "#", "\n", " "])
    for signature, split, join in FORMS:
        if content.startswith(signature) and rng.random() < 0.8:
            chunks = split(content)
            for _ in range(rng.choice(CHANGED)):
                chunks = _changed(chunks, rng) or chunks
            content = join(chunks, rng)
            break
    else:
        content = mutated_bytes(content, rng)
    if rng.random() < 0.1:
        content = mutated_bytes(content, rng)
    return content.decode("latin-1")


def mutated_bytes(content: bytes, rng: Random) -> bytes:
    """A number or a byte changed, most often near the start, or a stretch cut out, doubled or swapped for noise."""
    if not content:
        return rng.randbytes(8)
    at = rng.randrange(min(64, len(content)) if rng.random() < 0.6 else len(content))
    length = rng.choice((1, 2, 4, 4, 30))
    before, piece, after = content[:at], content[at : at + length], content[at + length :]
    match rng.choice("nnnnnbbrcdt"):
        case "n":
            size = rng.choice((1, 2, 4, 4, 8))
            value = rng.choice(NUMBERS) & ((1 << 8 * size) - 1)
            piece, after = value.to_bytes(size, rng.choice(("little", "big"))), content[at + size :]
        case "b":
            piece = bytes([piece[0] ^ 1 << rng.randrange(8)]) + piece[1:]
        case "r":
            piece = rng.randbytes(length)
        case "c":
            piece = b""
        case "d":
            piece *= rng.choice((2, 4, 100))
        case _:
            after = b""
    return before + piece + after


def _changed(chunks: Chunks, rng: Random) -> Chunks:
    """One chunk with other bytes, another name, in another place, gone, or many times."""
    at = rng.randrange(len(chunks))
    kind, body = chunks[at]
    before, after = chunks[:at], chunks[at + 1 :]
    changed = [(kind, body)]
    match rng.choice("bbbbbbbzkgdms"):
        case "b":
            changed = [(kind, mutated_bytes(body, rng))]
        case "z" if kind == b"IDAT":
            changed = [(kind, zlib.compress(mutated_bytes(_unpacked(body), rng)))]
        case "k" | "z":
            changed = [(rng.choice(chunks)[0], body)]
        case "g":
            changed = []
        case "d":
            changed *= rng.choice((2, 3, 300))
        case "m":
            rest = [*before, *after]
            to = rng.randrange(len(rest) + 1)
            before, after = rest[:to], rest[to:]
        case _:
            changed = [(kind, rng.choice(chunks)[1])]
    return [*before, *changed, *after]


def _unpacked(rows: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(rows, 1 << 16)
    except zlib.error:
        return rows


def _split_png(content: bytes) -> Chunks:
    chunks, at = [], 8
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _join_png(chunks: Chunks, rng: Random) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        checksum = zlib.crc32(kind + body) if rng.random() < 0.97 else 0
        parts.append(struct.pack(">I", _length(len(body), rng)) + kind + body + struct.pack(">I", checksum))
    return b"".join(parts)


def _split_jpeg(content: bytes) -> Chunks:
    """Segments by their markers; the scan and all behind it is one."""
    chunks, at = [], 2
    while at + 4 <= len(content):
        marker, length = struct.unpack_from(">2sH", content, at)
        if marker == b"\xff\xda":
            length = len(content)
        chunks.append((marker, content[at + 4 : at + 2 + length]))
        at += 2 + length
    return chunks


def _join_jpeg(chunks: Chunks, rng: Random) -> bytes:
    parts = [b"\xff\xd8"]
    for marker, body in chunks:
        length = 2 + (12 if marker == b"\xff\xda" else len(body))
        parts.append(marker + struct.pack(">H", _length(length, rng) & 0xFFFF) + body)
    return b"".join(parts)


def _split_riff(content: bytes) -> Chunks:
    chunks, at = [], 12
    while at + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        chunks.append((kind, content[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return chunks


def _join_riff(chunks: Chunks, rng: Random) -> bytes:
    parts = [kind + struct.pack("<I", _length(len(body), rng)) + body + bytes(len(body) % 2) for kind, body in chunks]
    inner = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", _length(len(inner), rng)) + inner


def _length(length: int, rng: Random) -> int:
    return length if rng.random() < 0.98 else rng.choice(NUMBERS)


FORMS = (
    (b"\x89PNG", _split_png, _join_png), (b"\xff\xd8", _split_jpeg, _join_jpeg), (b"RIFF", _split_riff, _join_riff),
)  # fmt: skip


def mutated_safetensors(text: str, rng: Random) -> str:
    """A checkpoint with an entry of its header changed, or with words and signs of the header."""
    content = text.encode("latin-1", "replace")
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
    except (ValueError, RecursionError, AttributeError):
        header = None
    if not header or not isinstance(header, dict) or rng.random() < 0.3:
        return texts.mutated_checkpoint(text, rng)
    for _ in range(rng.choice(CHANGED)):
        _change_entry(header, rng)
    data = _laid_out(header, rng) if rng.random() < 0.7 else content[8 + length :]
    data = mutated_bytes(data, rng) if rng.random() < 0.3 else data
    packed = json.dumps(header).encode()
    return (len(packed).to_bytes(8, "little") + packed + data).decode("latin-1")


def _change_entry(header: dict[str, Any], rng: Random) -> None:
    name = rng.choice(list(header) or ["a"])
    entry = header[name] = {"dtype": "F32", "shape": [], "data_offsets": [0, 4], **dict(header.get(name) or {})}
    match rng.choice("tsssoonngv"):
        case "t":
            entry["dtype"] = rng.choice(["F16", "F32", "F64", "BF16", "BOOL", "I64", "F8_E4M3", "", None])
        case "s" | "o" as key:
            sizes = entry["shape" if key == "s" else "data_offsets"]
            if sizes and rng.random() < 0.7:
                sizes[rng.randrange(len(sizes))] = rng.choice((*NUMBERS, -1, True, 1.5, 1 << 62, None))
            else:
                sizes.append(1)
        case "n":
            header[rng.choice(["b", "a.bias", "a\nerror[E0101]", "\x1b[31m", "é" * 200, "x.num_batches_tracked"])] = (
                entry
            )
        case "g":
            del header[name]
        case _:
            header[name] = rng.choice(({**entry, "shape": []}, {**entry, "more": 1}, {**entry, "data_offsets": [0, 0]}))


def _laid_out(header: dict[str, Any], rng: Random) -> bytes:
    """Values for all entries whose shapes can be, side by side, where the entries then say that they are."""
    at = 0
    for entry in header.values():
        sizes = entry.get("shape") if isinstance(entry, dict) else None
        if not sizes or not all(type(size) is int and 0 <= size < 99 for size in sizes):
            sizes = []
        count = prod(sizes) * {"F16": 2, "BF16": 2, "F64": 8, "I64": 8, "BOOL": 1, "F8_E4M3": 1}.get(entry["dtype"], 4)
        entry["data_offsets"] = [at, at + count]
        at += count
    return rng.randbytes(min(at, 1 << 16)).replace(b"\x7f", b"\0").replace(b"\xff", b"\0")


def mutated_npz(text: str, rng: Random) -> str:
    """An archive with the header or the bytes of an array changed and packed again, or bytes of the zip."""
    content = text.encode("latin-1", "replace")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError):
        members = []
    if members and rng.random() < 0.7:
        for _ in range(rng.choice(CHANGED)):
            members = _changed_members(members, rng) or members
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", rng.choice((0, 8, 8, 12, 14))) as archive:
            for name, body in dict(members).items():
                archive.writestr(name, body)
        content = out.getvalue()
        if rng.random() < 0.8:
            return content.decode("latin-1")
    return _changed_zip(content, rng).decode("latin-1")


def _changed_zip(content: bytes, rng: Random) -> bytes:
    """A number changed behind the sign of a file, of an entry of the list, or of the list's end."""
    signs: Sequence[bytes] = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06")
    places = [at for sign in signs if (at := content.find(sign)) >= 0]
    if not places or rng.random() < 0.3:
        return mutated_bytes(content, rng)
    at = rng.choice(places)
    return content[:at] + mutated_bytes(content[at : at + 60], rng) + content[at + 60 :]


def _changed_members(members: list[tuple[str, bytes]], rng: Random) -> list[tuple[str, bytes]]:
    at = rng.randrange(len(members))
    name, body = members[at]
    match rng.choice("hhhhhhbnd"):
        case "h":
            length = int.from_bytes(body[8:10], "little")
            words = texts.mutated(body[10 : 10 + length].decode("latin-1"), rng, NPY_WORDS).encode("latin-1", "replace")
            words = words[:60_000]
            size = len(words) if rng.random() < 0.95 else rng.choice(NUMBERS) & 0xFFFF
            body = body[:8] + size.to_bytes(2, "little") + words + body[10 + length :]
        case "b":
            body = mutated_bytes(body, rng)
        case "n":
            name = rng.choice(("a.bias.npy", "a.bias", "x/../y.npy", "data.pkl", "é\n.npy", ".npy", "a" * 300))
        case _:
            return [*members[:at], *members[at + 1 :]]
    return [*members[:at], (name, body), *members[at + 1 :]]
