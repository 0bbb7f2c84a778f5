"""Pictures in and out: a file becomes an input array, a map of scores a picture with palette and legend."""

from __future__ import annotations

import colorsys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from itc.diagnostics import fail
from itc.files import replacing
from itc.ir.op import Array
from itc.ir.types import FLOATS, TensorType

Colour = tuple[int, int, int]

MARGIN, SWATCH, FONT_SIZE = 12, 14, 13
LEGEND_WIDTH = 190
#: How many classes a legend lists.
MAX_LEGEND = 256
INK, PAPER = (24, 24, 27), (255, 255, 255)
#: Colours that stay apart for colour-blind readers (Okabe and Ito 2008), for the first classes.
OKABE_ITO: tuple[Colour, ...] = (
    (86, 180, 233), (213, 94, 0), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (204, 121, 167), (230, 159, 0), (80, 80, 80),
)  # fmt: skip


def read_picture(path: Path, type: TensorType) -> Array:
    """The picture at `path` as float32 [1, channels, height, width] in 0..1, resized to `type` if it has another size.

    Raises CompileError: E0630 there is no such file, E0631 it is no picture, E0632 `type` is not a map of one or three
    channels of floating-point numbers.
    """
    if len(type.shape) != 3 or type.shape[0] not in (1, 3) or type.dtype not in FLOATS:
        raise fail("E0632", f"a picture is floating-point numbers in 1 or 3 channels, the network's input is {type}")
    channels, height, width = type.shape
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            converted = _eight_bit(picture).convert("RGB" if channels == 3 else "L")
    except FileNotFoundError:
        raise fail("E0630", f"there is no picture {path}") from None
    except UnidentifiedImageError:
        raise fail("E0631", f"{path} is not a picture in a format that Pillow reads") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason = getattr(error, "strerror", None) or error
        raise fail("E0631", f"{path} cannot be read as a picture: {reason}") from None
    if converted.size != (width, height):
        converted = converted.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(converted, np.float32).reshape(height, width, channels) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def _eight_bit(picture: Image.Image) -> Image.Image:
    """The picture with 8 bits a sample: of 16 the upper ones (Pillow would cut off), others are refused."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError("it has 32 bits a sample, a picture has 8 or 16")
    return picture


def palette(classes: int) -> list[Colour]:
    """A colour for each class: Okabe and Ito's first, then hues a golden angle apart."""
    return [*OKABE_ITO, *(_hue(i) for i in range(classes))][:classes]


def _hue(i: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.55, 0.85 - 0.25 * (i % 2))
    return round(255 * red), round(255 * green), round(255 * blue)


def write_classes(path: Path, scores: Array, title: str, names: Sequence[str] = ()) -> None:
    """Writes the class of highest score at each place of `scores` [classes, height, width] as a PNG.

    Beside it stands a legend of the first MAX_LEGEND classes.
    """
    classes = scores.argmax(0)
    count = len(scores)
    colours = palette(count)
    names = names or [f"class {i}" for i in range(count)]
    height, width = classes.shape
    listed = min(count, MAX_LEGEND)
    rows = listed + (listed < count)
    top = 2 * MARGIN + FONT_SIZE
    font = ImageFont.load_default(FONT_SIZE)
    across = max(width + LEGEND_WIDTH, round(font.getlength(title)))
    size = (2 * MARGIN + across, max(top + height + MARGIN, top + rows * (SWATCH + 6) + MARGIN))
    picture = Image.new("RGB", size, PAPER)
    picture.paste(Image.fromarray(np.asarray(colours, np.uint8)[classes]), (MARGIN, top))
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN - 2), title, INK, font)
    shares = np.bincount(classes.ravel(), minlength=count) / classes.size
    for i, (name, colour, share) in enumerate(zip(names[:listed], colours, shares, strict=False)):
        left, upper = 2 * MARGIN + width, top + i * (SWATCH + 6)
        draw.rectangle((left, upper, left + SWATCH, upper + SWATCH), colour, INK)
        draw.text((left + SWATCH + 6, upper - 1), f"{name}  {share:.1%}", INK, font)
    if listed < count:
        lowest = top + listed * (SWATCH + 6)
        draw.text((2 * MARGIN + width, lowest - 1), f"and {count - listed:,} more", INK, font)
    with replacing(path) as beside:
        picture.save(beside, "PNG")
