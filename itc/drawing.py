"""Outputs drawn by what they are: classes, grey and colour images, flow fields, curves; and a sheet of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from itc.files import replacing
from itc.ir.op import Array
from itc.pictures import INK, OKABE_ITO, PAPER, Picture, palette

#: Sides of a drawing in pixels: smaller maps are enlarged to the first, those of a sheet scaled to at most the second.
SMALLEST, LARGEST, WHEEL = 240, 360, 96
MARGIN, FONT_SIZE, SWATCH = 12, 13, 14
#: Classes of a legend, curves of a plot, drawings of a sheet and of its rows, characters of a caption.
MAX_CLASSES, MAX_CURVES, MAX_SHEET, ACROSS, MAX_CAPTION = 20, 8, 64, 4, 48
GRID = (226, 226, 230)
#: Losses of outputs that are images, and of those that are classes.
IMAGES, CLASSES = ("mse", "l1", "huber"), ("cross_entropy", "kl")


class Kind(StrEnum):
    """What an output is drawn as."""

    CLASSES = "classes"
    GREY = "grey"
    COLOUR = "colour"
    FLOW = "flow"
    CURVES = "curves"
    TOKENS = "tokens"
    NONE = ""


def kind_of(name: str, loss: str, shape: Sequence[int]) -> Kind:
    """What an output [...] is, by its loss, its name and its shape.

    Maps of one channel are grey, maps of three are colours if their loss is one of images or their name says so, two
    are a flow likewise; all other maps are scores of classes. Sequences are tokens if their loss is one of classes, or
    they have more channels than a plot has curves.
    """
    channels = shape[0] if len(shape) == 3 else shape[-1] if shape else 0
    image = loss in IMAGES or (not loss and any(word in name for word in ("image", "rgb", "colour", "color", "flow")))
    if len(shape) == 3 and min(shape) > 0:
        of_images = {2: Kind.FLOW, 3: Kind.COLOUR}
        return Kind.GREY if channels == 1 else of_images.get(channels, Kind.CLASSES) if image else Kind.CLASSES
    if len(shape) == 2 and min(shape) > 0:
        return Kind.TOKENS if loss in CLASSES or channels > MAX_CURVES else Kind.CURVES
    return Kind.NONE


def drawing(array: Array, kind: Kind) -> Picture:
    """An output [...] as a picture, without a legend; numbers that are not finite count as 0."""
    values = np.nan_to_num(array.astype(np.float64), nan=0, posinf=0, neginf=0)
    match kind:
        case Kind.CLASSES:
            picture = Image.fromarray(np.asarray(palette(len(values)), np.uint8)[array.argmax(0)])
        case Kind.GREY:
            picture = Image.fromarray(_bytes(_stretched(values[0]))).convert("RGB")
        case Kind.COLOUR:
            inside = values.min() >= 0 and values.max() <= 1
            picture = Image.fromarray(_bytes(values if inside else _stretched(values)).transpose(1, 2, 0).copy())
        case Kind.FLOW:
            picture = Image.fromarray(flow_colours(values))
        case _:
            return curves(values.T)
    return _enlarged(picture)


def legend(array: Array, kind: Kind) -> list[tuple[tuple[int, int, int], str]]:
    """Colours and what they stand for: classes with their part of the area, curves, or the range of values."""
    match kind:
        case Kind.CLASSES:
            counts = np.bincount(array.argmax(0).ravel(), minlength=len(array)) / array[0].size
            listed = sorted(np.argsort(-counts, kind="stable")[:MAX_CLASSES].tolist())
            colours = palette(len(array))
            return [(colours[i], f"class {i}  {counts[i]:.1%}") for i in listed if counts[i] > 0]
        case Kind.GREY | Kind.COLOUR:
            return [((0, 0, 0), f"{array.min():.3g}"), ((255, 255, 255), f"{array.max():.3g}")]
        case Kind.FLOW:
            return [(PAPER, f"up to {np.hypot(*array.astype(np.float64)).max():.3g} pixels; colour: direction")]
        case Kind.CURVES:
            return [(OKABE_ITO[i], f"channel {i}") for i in range(min(array.shape[-1], MAX_CURVES))]
    return []


def _stretched(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    stretched: Array = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return stretched


def _bytes(values: Array) -> Array:
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)


def flow_colours(flow: Array) -> Array:
    """The colour wheel: the hue is the direction of a vector [2, height, width], the saturation its length."""
    x, y = flow
    length = np.hypot(x, y)
    strength = length / max(float(length.max()), 1e-12)
    hue = (np.arctan2(y, x) / (2 * np.pi)) % 1
    wheel = np.abs(((hue[..., None] * 6 + np.array([0, 4, 2])) % 6) - 3) - 1
    return _bytes(1 - strength[..., None] * (1 - np.clip(wheel, 0, 1)))


def curves(values: Array) -> Picture:
    """Curves [channels, steps] over their steps, with the range of values beside them."""
    width, height = 320, 180
    picture = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT_SIZE - 2)
    shown = values[:MAX_CURVES]
    low, high = float(shown.min()), float(shown.max())
    left, right, top, bottom = 44, width - 8, 8, height - 20
    for part in (0, 0.5, 1):
        line = bottom - part * (bottom - top)
        draw.line((left, line, right, line), GRID)
        draw.text((4, line - 7), f"{low + part * (high - low):.2g}", INK, font)
    steps = np.linspace(left, right, shown.shape[1])
    for row, colour in zip(_stretched(shown), OKABE_ITO, strict=False):
        points = list(zip(steps.tolist(), (bottom - row * (bottom - top)).tolist(), strict=True))
        draw.line(points if len(points) > 1 else points * 2, colour, 2)
    draw.text((left, bottom + 4), f"step 1 to {shown.shape[1]}", INK, font)
    return picture


def _enlarged(picture: Picture) -> Picture:
    """Small maps by whole factors, so that each element is a square."""
    factor = max(1, -(-SMALLEST // max(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def write_drawing(path: Path, array: Array, kind: Kind, title: str) -> None:
    """Writes an output as a PNG with its title and its legend."""
    picture, entries = drawing(array, kind), legend(array, kind)
    font = ImageFont.load_default(FONT_SIZE)
    title = _short(title, 120)
    top = 2 * MARGIN + FONT_SIZE
    beside = max((round(font.getlength(text)) + SWATCH + 6 for _, text in entries), default=0)
    width = max(picture.width + beside + MARGIN * bool(entries), round(font.getlength(title)))
    height = max(picture.height, len(entries) * (SWATCH + 6) + (WHEEL + MARGIN) * (kind is Kind.FLOW))
    page = Image.new("RGB", (width + 2 * MARGIN, top + height + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 2), title, INK, font)
    page.paste(picture, (MARGIN, top))
    for row, (colour, text) in enumerate(entries):
        left, upper = 2 * MARGIN + picture.width, top + row * (SWATCH + 6)
        draw.rectangle((left, upper, left + SWATCH, upper + SWATCH), colour, INK)
        draw.text((left + SWATCH + 6, upper - 1), text, INK, font)
    if kind is Kind.FLOW:
        page.paste(wheel(), (2 * MARGIN + picture.width, top + len(entries) * (SWATCH + 6) + MARGIN))
    save(path, page)


def wheel() -> Picture:
    """The colours of a flow by direction: right of the centre is what moves to the right."""
    steps = np.linspace(-1, 1, WHEEL)
    flow = np.stack([np.broadcast_to(steps, (WHEEL, WHEEL)), np.broadcast_to(steps[:, None], (WHEEL, WHEEL))])
    return Image.fromarray(flow_colours(np.where(np.hypot(*flow) <= 1, flow, 0)))


def write_sheet(path: Path, pictures: Sequence[tuple[str, Picture]], title: str) -> None:
    """Writes pictures with their captions side by side as one PNG, the first rows of many."""
    font = ImageFont.load_default(FONT_SIZE)
    shown = [(_short(caption, MAX_CAPTION), _scaled(picture)) for caption, picture in pictures[:MAX_SHEET]]
    title = _short(title if len(pictures) <= MAX_SHEET else f"{title}, the first {MAX_SHEET} of {len(pictures)}", 160)
    across = min(ACROSS, len(shown))
    wide = max(max(picture.width, round(font.getlength(caption))) for caption, picture in shown) + MARGIN
    high = max(picture.height for _, picture in shown) + MARGIN + FONT_SIZE + 8
    top = 2 * MARGIN + FONT_SIZE
    size = (max(across * wide, round(font.getlength(title)) + MARGIN) + MARGIN, top + -(-len(shown) // across) * high)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 2), title, INK, font)
    for i, (caption, picture) in enumerate(shown):
        left, upper = MARGIN + i % across * wide, top + i // across * high
        page.paste(picture, (left, upper))
        draw.text((left, upper + picture.height + 2), caption, INK, font)
    save(path, page)


def _scaled(picture: Picture) -> Picture:
    """A picture that fits a sheet."""
    factor = LARGEST / max(picture.size)
    if factor >= 1:
        return picture
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.BOX)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def save(path: Path, picture: Picture) -> None:
    with replacing(path) as beside:
        picture.save(beside, "PNG")
