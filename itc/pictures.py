"""Reads images as input arrays, and writes maps of scores as images with a palette and a legend."""

from __future__ import annotations

import colorsys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from itc import netpbm
from itc.diagnostics import CompileError, fail
from itc.files import opened, replacing
from itc.ir.op import Array
from itc.ir.types import FLOATS, TensorType
from itc.picture_headers import header, orientation

Picture = Image.Image
#: Maximum pixels of an image, and of an input filled from one; with 4 bytes each, decoders need less than 1 GiB.
MAX_PIXELS, MAX_SIDE = 1 << 25, 1 << 16
MAX_BYTES = 256 << 20
CONVERT = "save it as a PNG"
SMALLER = "scale it down first"
#: The permitted decoders of Pillow. `Image.open` would try all, and one of them starts another program.
DECODERS: dict[str, Callable[[BinaryIO], Picture]] = {
    "PNG": PngImageFile, "JPEG": JpegImageFile, "WebP": WebPImageFile, "BMP": BmpImageFile,
}  # fmt: skip
#: The transpositions by EXIF orientation.
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
Colour = tuple[int, int, int]

MARGIN, SWATCH, FONT_SIZE = 12, 14, 13
LEGEND_WIDTH = 190
#: Maximum classes of a legend, and characters of a title.
MAX_LEGEND, MAX_TITLE = 256, 200
INK, PAPER = (24, 24, 27), (255, 255, 255)
#: Colours of the first classes, distinct for colour-blind readers (Okabe and Ito 2008).
OKABE_ITO: tuple[Colour, ...] = (
    (86, 180, 233), (213, 94, 0), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (204, 121, 167), (230, 159, 0), (80, 80, 80),
)  # fmt: skip


def read_picture(path: Path, type: TensorType) -> Array:
    """The image at `path` as float32 [1, channels, height, width] in 0..1, resized to `type` if its size differs.

    Raises CompileError as `open_picture` does.
    """
    return as_input(open_picture(path, type), type)


def open_picture(path: Path, type: TensorType) -> Picture:
    """The image at `path`, in its own size, upright and opaque, with the channels of an input of `type`.

    Raises CompileError: E0604 for a pipe or a device, E0630 for a missing file, E0631 for a file that is not an image,
    E0632 if `type` is not a map of floats of one or three channels, E0634 if the image or the input is too large.
    """
    if len(type.shape) != 3 or type.shape[0] not in (1, 3) or type.dtype not in FLOATS:
        raise fail("E0632", f"an image has floating-point numbers in 1 or 3 channels, the network's input is {type}")
    _bounded("the network's input", type.shape[2], type.shape[1])
    try:
        with opened(path) as file:
            return _decoded(file, path, "RGB" if type.shape[0] == 3 else "L")
    except FileNotFoundError:
        raise fail("E0630", f"there is no picture {path}") from None
    except CompileError:
        raise
    except Exception as error:  # decoders raise various exceptions for corrupt files
        reason = getattr(error, "strerror", None) or str(error) or _in_words(error)
        raise fail("E0631", f"{path} cannot be read as an image: {reason}", help=CONVERT) from None


def _in_words(error: Exception) -> str:
    return "it needs more memory than there is" if isinstance(error, MemoryError) else error.__class__.__name__


def _decoded(file: BinaryIO, path: Path, mode: str) -> Picture:
    """The image in `file`, with checked sizes and a known format."""
    if file.seek(0, 2) > MAX_BYTES:
        raise fail("E0634", f"{path} has more than {MAX_BYTES >> 20} MiB, the limit of an image", help=SMALLER)
    file.seek(0)
    head = header(file)
    _bounded(str(path), head.width, head.height)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # relevant warnings are exceptions, or checked here
        if head.format == "PPM":
            picture = Image.fromarray(netpbm.pixels(file, netpbm.header(file.read(netpbm.MAX_HEADER))))
        else:
            picture = DECODERS[head.format](file)
        if picture.size != (head.width, head.height):
            raise ValueError("its header states two sizes")
        picture.load()
        turned = TURNED.get(orientation(picture.info.get("exif", b"")))
        picture = _opaque(_eight_bit(picture)).convert(mode)
    return picture.transpose(turned) if turned is not None else picture


def _bounded(name: str, width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        bound = f"an image has at most {MAX_PIXELS:,} pixels, and {MAX_SIDE:,} per side"
        raise fail("E0634", f"{name} has {width:,} x {height:,} pixels; {bound}", help=SMALLER)


def _eight_bit(picture: Picture) -> Picture:
    """The image with 8 bits per sample: the upper 8 of 16 (Pillow would clip); others are refused."""
    if picture.mode.startswith("I;16"):
        values = np.asarray(picture)
        clear = picture.info.get("transparency")
        if isinstance(clear, int):
            values = np.where(values == clear, 0xFFFF, values)
        return Image.fromarray((values >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError("it has 32 bits per sample, an image has 8 or 16")
    return picture


def _opaque(picture: Picture) -> Picture:
    """The image composed on white if it has transparency."""
    if not picture.has_transparency_data:
        return picture
    clear = picture.convert("RGBA")
    paper = Image.new("RGB", picture.size, PAPER)
    paper.paste(clear, mask=clear)
    return paper


def as_input(picture: Picture, type: TensorType) -> Array:
    """An image of `open_picture` as float32 [1, channels, height, width] in 0..1, resized to the size of `type`."""
    channels, height, width = type.shape
    if picture.size != (width, height):
        if width * picture.height > MAX_PIXELS:  # Pillow resizes rows first, and would hold all of them
            picture = picture.resize((picture.width, height), Image.Resampling.BILINEAR)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture).reshape(height, width, channels)
    out = np.empty((1, channels, height, width), np.float32)
    for channel in range(channels):
        np.divide(pixels[..., channel], np.float32(255), out=out[0, channel], dtype=np.float32)
    return out


def palette(classes: int) -> list[Colour]:
    """A colour for each class: Okabe and Ito's first, then hues a golden angle apart."""
    return [*OKABE_ITO, *(_hue(i) for i in range(classes))][:classes]


def _hue(i: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.55, 0.85 - 0.25 * (i % 2))
    return round(255 * red), round(255 * green), round(255 * blue)


def write_classes(path: Path, scores: Array, title: str, names: Sequence[str] = ()) -> None:
    """Writes the class of highest score at each pixel of `scores` [classes, height, width] as a PNG with a legend.

    The legend lists the classes with the largest areas.
    """
    classes = scores.argmax(0)
    count = len(scores)
    colours = palette(count)
    names = names or [f"class {i}" for i in range(count)]
    title = title if len(title) <= MAX_TITLE else f"...{title[3 - MAX_TITLE :]}"
    shares = np.bincount(classes.ravel(), minlength=count) / classes.size
    listed = np.sort(np.argsort(-shares, kind="stable")[:MAX_LEGEND]).tolist()
    entries = [(colours[i], f"{names[i]}  {shares[i]:.1%}") for i in listed]
    if count > len(listed):
        entries.append((PAPER, f"and {count - len(listed):,} more"))
    height, width = classes.shape
    top = 2 * MARGIN + FONT_SIZE
    font = ImageFont.load_default(FONT_SIZE)
    across = max(width + LEGEND_WIDTH, round(font.getlength(title)))
    size = (2 * MARGIN + across, max(top + height + MARGIN, top + len(entries) * (SWATCH + 6) + MARGIN))
    picture = Image.new("RGB", size, PAPER)
    picture.paste(Image.fromarray(np.asarray(colours, np.uint8)[classes]), (MARGIN, top))
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN - 2), title, INK, font)
    for row, (colour, text) in enumerate(entries):
        left, upper = 2 * MARGIN + width, top + row * (SWATCH + 6)
        draw.rectangle((left, upper, left + SWATCH, upper + SWATCH), colour, INK)
        draw.text((left + SWATCH + 6, upper - 1), text, INK, font)
    with replacing(path) as beside:
        picture.save(beside, "PNG")
