"""Pictures: five formats, bounds that are known before decoding, upright and opaque pixels, and files made to harm."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from itc.diagnostics import CompileError
from itc.ir import TensorType
from itc.picture_headers import MAX_SCANS, header, orientation
from itc.pictures import MAX_PIXELS, TURNED, as_input, open_picture, read_picture
from tests.fuzz import bounds

COLOUR, GREY = TensorType("f32", (3, 8, 12)), TensorType("f32", (1, 8, 12))
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")


def refused(path: Path, type: TensorType = COLOUR) -> str:
    """The code of the one diagnostic that a file gives, which names it."""
    with pytest.raises(CompileError) as error, bounds.in_time():
        read_picture(path, type)
    (diagnostic,) = error.value.diagnostics
    assert str(path) in diagnostic.message or "the network's input" in diagnostic.message
    assert "more memory than there is" not in diagnostic.message
    return diagnostic.code


def ramp(mode: str = "RGB") -> Image.Image:
    """A picture whose left half is red and right half is blue, 12 wide and 8 high."""
    pixels = np.zeros((8, 12, 3), np.uint8)
    pixels[:, :6, 0] = pixels[:, 6:, 2] = 255
    return Image.fromarray(pixels).convert(mode)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A grey PNG of this size with nothing but what is given behind its header."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def unpacks_to(start: bytes, mebibytes: int) -> bytes:
    """Compressed bytes that are `start` and then so many MiB of zeros; nothing is ever held whole."""
    compress = zlib.compressobj(9)
    head = compress.compress(start) + compress.flush(zlib.Z_FULL_FLUSH)
    block = compress.compress(bytes(1 << 20)) + compress.flush(zlib.Z_FULL_FLUSH)
    return head + block * mebibytes


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_five_formats(format: str, mode: str, tmp_path: Path) -> None:
    ramp(mode).save(tmp_path / "p", format, lossless=True, quality=100, subsampling=0)
    found = read_picture(tmp_path / "p", COLOUR if mode == "RGB" else GREY)
    expected = np.asarray(ramp(mode), np.float32).reshape(8, 12, -1).transpose(2, 0, 1)[None] / 255
    assert np.abs(found - expected).max() <= (0.1 if format == "JPEG" else 0)
    assert found.dtype == np.float32


@pytest.mark.parametrize("format", ["GIF", "TIFF", "ICO", "EPS", "TGA", "PCX"])
def test_other_formats_are_refused(format: str, tmp_path: Path) -> None:
    ramp().save(tmp_path / "p.png", format)
    assert refused(tmp_path / "p.png") == "E0631"


def test_no_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript named .png: Pillow would look for Ghostscript and run it."""
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    ramp().save(tmp_path / "p.png", "EPS")
    assert refused(tmp_path / "p.png") == "E0631"
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0, 0.3, 0.6, 0.9])
def test_a_picture_that_is_cut_off(format: str, part: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "p", format)
    content = (tmp_path / "p").read_bytes()
    (tmp_path / "p").write_bytes(content[: int(part * len(content))])
    assert refused(tmp_path / "p") == "E0631"


SIDE = MAX_PIXELS**0.5
LARGE = {
    "square.png": png(9400, 9400),
    "wide.png": png(89_000_000, 1),
    "tall.png": png(1, 65_537),
    "none.png": png(0, 5),
    "vp8x.webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + (9399).to_bytes(3, "little") * 2,
    "vp8l.webp": b"RIFF\x20\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + struct.pack("<I", 9399 | 9399 << 14) + bytes(8),
    "vp8.webp": b"RIFF\x20\0\0\0WEBPVP8 \x14\0\0\0\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 9400, 9400) + bytes(10),
    "p.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 9400, -9400, 1, 24, 0, 0, 0, 0, 0, 0),
    "core.bmp": b"BM" + struct.pack("<IHHIIHHHH", 26, 0, 0, 26, 12, 9400, 9400, 1, 24),
    "p.ppm": b"P6\n# large\n9400 9400\n255\n",
    "p.pbm": b"P4 90000 9000 ",
    "p.jpg": b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 9400, 9400) + bytes(10) + b"\xff\xda\0\0",
}


@pytest.mark.parametrize("name", LARGE)
def test_sizes_are_bounded_before_decoding(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(LARGE[name])
    with bounds.at_most(64 << 20, bounds.address_space()):
        assert refused(tmp_path / name) == "E0634"


@pytest.mark.parametrize("size", [(20_000, 20_000), (1, 100_000_000), (2**31 - 1, 1)])
def test_inputs_that_are_too_large_for_a_picture(size: tuple[int, int], tmp_path: Path) -> None:
    ramp().save(tmp_path / "p.png")
    assert refused(tmp_path / "p.png", TensorType("f32", (3, *size))) == "E0634"


@pytest.mark.parametrize("dtype", ["i8", "bool", "i32"])
def test_a_picture_has_fractions(dtype: str, tmp_path: Path) -> None:
    ramp().save(tmp_path / "p.png")
    assert refused(tmp_path / "p.png", TensorType(dtype, (3, 8, 12))) == "E0632"


def test_large_files_are_refused(tmp_path: Path) -> None:
    for name, size in (("p.png", 257 << 20), ("p.webp", 65 << 20)):
        ramp().save(tmp_path / name)
        with (tmp_path / name).open("ab") as file:
            file.truncate(size)
        assert refused(tmp_path / name) in ("E0634", "E0631")


def bitmap_of_runs() -> bytes:
    head = struct.pack("<IHHIIiiHHIIiiII", 1200, 0, 0, 1078, 40, 64, 64, 1, 8, 1, 122, 0, 0, 256, 0)
    return b"BM" + head + bytes(1024) + b"\x40\x01\0\0" * 64 + b"\0\1"


def exif(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    table = b"".join(
        struct.pack(f"{order}HHIHxx", *entry) if entry[1] == 3 else struct.pack(f"{order}HHII", *entry)
        for entry in entries
    )
    return b"Exif\0\0" + start + struct.pack(f"{order}H", len(entries)) + table


def jpeg(*segments: bytes, scans: int = 0) -> bytes:
    """A JPEG with these APP1 segments first, and the marker of a scan so many times more."""
    out = io.BytesIO()
    ramp().save(out, "JPEG")
    head = b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content for content in segments)
    return out.getvalue()[:2] + head + out.getvalue()[2:] + b"\xff\xda" * scans


SLOW = {
    "chunks.png": lambda: png(8, 8, chunk(b"tEXt", b"") * 60_000),
    "metadata.png": lambda: png(8, 8, chunk(b"prIV", bytes(17 << 20))),
    "unpacked.png": lambda: png(8, 8, chunk(b"zTXt", b"a\0\0" + unpacks_to(b"", 200))),
    "scans.jpg": lambda: jpeg(scans=MAX_SCANS + 1),
    "segments.jpg": lambda: b"\xff\xd8" + b"\xff\xe1\0\2" * 60_000,
    "padding.jpg": lambda: b"\xff\xd8" + b"\xff" * 1_000_000,
    "junk.jpg": lambda: b"\xff\xd8\xff\xe1\0\2" + b"x" * 1_000_000,
    "entries.jpg": lambda: jpeg(exif(*((256 + i, 1, 60_000, 0) for i in range(5000)))),
    "comments.ppm": lambda: b"P3 9 9 255\n" + b"#" * 17_000_000,
    "lines.ppm": lambda: b"P3 9 9 255\n" + b"#\n" * 1_000_000,
    "length.png": lambda: png(8, 8)[:-12] + b"\xff\xff\xff\xffIDAT" + zlib.compress(bytes(9 * 8)),
    "header.ppm": lambda: b"P6\n" + b"#" * 1_000_000,
    "runs.bmp": bitmap_of_runs,
}


@pytest.mark.parametrize("name", SLOW)
def test_files_that_would_keep_a_decoder_busy(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(SLOW[name]())
    with bounds.at_most(beside=bounds.address_space()):
        assert refused(tmp_path / name) == "E0631"


def test_data_behind_the_last_row_are_not_unpacked(tmp_path: Path) -> None:
    rows = unpacks_to(bytes(9 * 8), 2000)
    (tmp_path / "p.png").write_bytes(png(8, 8, chunk(b"IDAT", rows)))
    with bounds.in_time(1), bounds.at_most(100 << 20, bounds.address_space()):
        assert not read_picture(tmp_path / "p.png", TensorType("f32", (1, 8, 8))).any()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_upright(turn: int, format: str, tmp_path: Path) -> None:
    upright = np.random.default_rng(1).integers(0, 255, (2, 3, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    undone = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = Image.fromarray(upright)
    stored = stored.transpose(undone.get(turn, TURNED[turn])) if turn > 1 else stored
    tag = Image.Exif()
    tag[0x0112] = turn
    stored.save(tmp_path / "p", format, exif=tag, **({} if format == "PNG" else {"quality": 100}))
    found = read_picture(tmp_path / "p", TensorType("f32", (3, 32, 48)))
    assert np.abs(found[0].transpose(1, 2, 0) * 255 - upright)[8::16, 8::16].max() <= 24


def test_the_orientation_in_exif_data() -> None:
    assert orientation(exif((0x0112, 3, 1, 6))) == orientation(exif((0x0112, 3, 1, 6), order=">")) == 6
    for content in (
        b"",
        b"Exif\0\0",
        b"II*\0",
        exif((0x0112, 3, 1, 9)),
        exif((0x0112, 4, 1, 6)),
        b"II*\0\xff\xff\xff\xff",
    ):
        assert orientation(content) == 1


@pytest.mark.parametrize(("format", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("WEBP", "RGBA")])
def test_what_is_transparent_is_white(format: str, mode: str, tmp_path: Path) -> None:
    pixels = np.zeros((8, 12, 4), np.uint8)
    pixels[:, 6:] = (0, 0, 0, 255)
    picture = Image.fromarray(pixels)
    if mode == "P":
        picture = Image.fromarray((pixels[..., 3] > 0).astype(np.uint8)).convert("P")
        picture.putpalette([9, 9, 9, 0, 0, 0])
        picture.info["transparency"] = 0
    picture.convert(mode).save(tmp_path / "p", format, **({"lossless": True} if format == "WEBP" else {}))
    for type in (COLOUR, GREY):
        found = read_picture(tmp_path / "p", type)
        assert (found[..., :6] == 1).all()
        assert (found[..., 6:] == 0).all()


def test_half_transparent_is_half_white(tmp_path: Path) -> None:
    Image.new("RGBA", (12, 8), (255, 0, 0, 128)).save(tmp_path / "p.png")
    assert np.allclose(read_picture(tmp_path / "p.png", COLOUR)[0, :, 0, 0], [1, 127 / 255, 127 / 255], atol=1e-6)


def test_a_transparent_grey_of_16_bits(tmp_path: Path) -> None:
    values = np.full((8, 12), 300, np.uint16)
    values[:, 6:] = 256 * 40
    Image.fromarray(values).save(tmp_path / "p.png", transparency=300)
    assert np.unique(read_picture(tmp_path / "p.png", GREY)).tolist() == [np.float32(40 / 255), 1]


def test_four_inks(tmp_path: Path) -> None:
    ramp("CMYK").save(tmp_path / "p.jpg", quality=100)
    expected = np.asarray(ramp(), np.float32).transpose(2, 0, 1)[None] / 255
    assert np.abs(read_picture(tmp_path / "p.jpg", COLOUR) - expected).max() < 0.1


NETPBM = {
    "plain bitmap": (b"P1\n# a\n12 8\n" + (b"1" * 6 + b" 0" * 6 + b"\n") * 8, [0] * 6 + [255] * 6),
    "bitmap": (b"P4\n12 8\n" + b"\xfc\0" * 8, [0] * 6 + [255] * 6),
    "plain grey": (b"P2 12 8 10 " + b"5 # half\n5 10 10 0 0 0 0 0 0 0 0\n" * 8, [128, 128, 255, 255] + [0] * 8),
    "grey": (b"P5 12 8 100\n" + bytes(range(0, 96, 8)) * 8, [round(255 * v / 100) for v in range(0, 96, 8)]),
    "deep grey": (b"P5 12 8 65535\n" + struct.pack(">12H", *range(0, 60_000, 5000)) * 8,
                  [round(v / 257) for v in range(0, 60_000, 5000)]),
}  # fmt: skip


@pytest.mark.parametrize("name", NETPBM)
def test_portable_pictures(name: str, tmp_path: Path) -> None:
    content, row = NETPBM[name]
    (tmp_path / "p").write_bytes(content)
    found = read_picture(tmp_path / "p", GREY)[0, 0] * 255
    assert np.abs(found - np.array(row)).max() < 1e-4


@pytest.mark.parametrize(
    "content",
    [b"P5 12 8 0 ", b"P5 12 8 70000 ", b"P5 12 8 10\n" + b"\x0b" * 96, b"P2 2 1 9 1 -1", b"P2 2 1 9 1 x", b"P7 1"],
)
def test_wrong_portable_pictures(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(content)
    assert refused(tmp_path / "p") == "E0631"


@pytest.mark.parametrize("size", [(2, 40_000), (40_000, 2), (300, 200)])
def test_resizing_holds_no_more_than_the_larger_picture(size: tuple[int, int], tmp_path: Path) -> None:
    """Rows first would give 2,000 x 40,000 pixels between."""
    Image.new("RGB", size, (255, 0, 51)).save(tmp_path / "p.png")
    type = TensorType("f32", (3, 4, 2000))
    picture = open_picture(tmp_path / "p.png", type)
    with bounds.at_most(100 << 20, bounds.address_space()):
        found = as_input(picture, type)
    assert np.allclose(found, np.array([1, 0, 0.2]).reshape(1, 3, 1, 1), atol=1e-6)


MEASURED = """
import sys
from pathlib import Path
from itc.ir import TensorType
from itc.pictures import read_picture
read_picture(Path(sys.argv[1]), TensorType("f32", (3, 360, 480)))
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""
LARGEST: dict[str, Callable[[Image.Image, Path], None]] = {
    "rgba.png": lambda picture, path: picture.convert("RGBA").save(path, compress_level=1),
    "cmyk.jpg": lambda picture, path: picture.convert("CMYK").save(path, progressive=True, quality=95),
    "rgba.webp": lambda picture, path: picture.convert("RGBA").save(path, lossless=True, quality=0, method=0),
    "p.ppm": lambda picture, path: picture.save(path),
}


@pytest.mark.long
@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_pictures_take_less_than_1_gib(name: str, tmp_path: Path) -> None:
    side = int(SIDE)
    rows = np.random.default_rng(0).integers(0, 255, (side // 4, side // 4, 3), np.uint8)
    picture = Image.fromarray(rows).resize((side, side), Image.Resampling.NEAREST)
    picture.getexif()[0x0112] = 6
    LARGEST[name](picture, tmp_path / name)
    done = subprocess.run([sys.executable, "-c", MEASURED, tmp_path / name], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1024, name


def test_sizes_agree_with_the_decoder() -> None:
    for format in FORMATS:
        out = io.BytesIO()
        Image.new("RGB", (31, 17)).save(out, format)
        out.seek(0)
        head = header(out)
        assert (head.format.upper(), head.width, head.height) == (format, 31, 17)
        assert out.tell() == 0
