"""The inputs of `itc run`: pictures, arrays (.npy) and token lists by the name of an input, else random numbers."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

import numpy as np

from itc.analysis.samples import random_inputs
from itc.diagnostics import CompileError, fail
from itc.files import opened
from itc.ir.net import Net, Value
from itc.ir.op import Array
from itc.ir.types import FLOATS, NUMPY_NAMES, TensorType
from itc.pictures import as_input, open_picture
from itc.records import dataclass

TEXTS, PICTURES = (".txt", ".csv", ".tsv"), (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".pbm")
#: A file of tokens or numbers as text has at most these bytes; the header of an array these.
MAX_TEXT, MAX_HEADER = 16 << 20, 1 << 16
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
SEPARATORS = re.compile(r"[\s,;\[\]]+")
LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}


@dataclass(frozen=True)
class Given:
    """A file for an input: what it is has been checked, the array itself is made when it is needed."""

    value: Value
    path: Path
    array: Callable[[], Array]


@dataclass(frozen=True)
class Norm:
    """Subtracted from each channel of a picture, and what it is divided by; one number is for all channels."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __call__(self, image: Array) -> Array:
        if self == Norm():
            return image
        mean, std = (np.asarray(numbers, np.float32).reshape(1, -1, 1, 1) for numbers in (self.mean, self.std))
        normed: Array = (image - mean) / std
        return normed


def numbers(text: str, flag: str) -> tuple[float, ...]:
    """`0.485,0.456,0.406` as numbers. Raises CompileError (E0673)."""
    parts = text.split(",")
    values = tuple(float(part) for part in parts if NUMBER.fullmatch(part.strip()))
    positive = flag != "--std" or all(value > 0 for value in values)
    if len(values) != len(parts) or not positive or not np.isfinite(values).all():
        raise fail("E0673", f"{flag} is {text[:100]}, not numbers with commas", help=f"{flag} 0.485,0.456,0.406")
    return values


def given_inputs(net: Net, texts: Sequence[str], norm: Norm = Norm()) -> list[Given]:  # noqa: B008 -- frozen
    """The files of `NAME=FILE`, or of `FILE` for the only input, opened and checked.

    Raises CompileError: E0633 for a file without a name of several inputs, E0671 to E0674, and as `open_picture`.
    """
    named = dict(_named(net, text) for text in texts)
    return [_given(value, named[value.name], norm) for value in net.inputs if value.name in named]


def _named(net: Net, text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    known = {value.name for value in net.inputs}
    if equals and name in known:
        return name, Path(path)
    if equals and name.isidentifier() and not Path(text).exists():
        names = ", ".join(value.name for value in net.inputs)
        raise fail("E0671", f"{net.name} has no input {name}; its inputs: {names}")
    if len(net.required) != 1:
        names = ", ".join(value.name for value in net.required)
        help = f"--input {net.required[0].name}={text[:100]}, and so on for each"
        raise fail("E0633", f"a file goes into one input, {net.name} has {len(net.required)}: {names}", help=help)
    return net.required[0].name, Path(text)


def _given(value: Value, path: Path, norm: Norm) -> Given:
    type = value.tensor
    if path.suffix.lower() == ".npy":
        array = _checked(read_array(path, type), path, type)
        return Given(value, path, lambda: array)
    if path.suffix.lower() in TEXTS or (type.dtype not in FLOATS and path.suffix.lower() not in PICTURES):
        tokens = _checked(read_tokens(path), path, type)
        return Given(value, path, lambda: tokens)
    for numbers in (norm.mean, norm.std):
        if len(numbers) not in (1, type.shape[0]):
            raise fail("E0673", f"{value.name} has {type.shape[0]} channels, --mean or --std {len(numbers)} numbers")
    picture = open_picture(path, type)
    return Given(value, path, lambda: norm(as_input(picture, type)))


def arrays(net: Net, given: Sequence[Given]) -> dict[str, Array]:
    """An array for each input that is given or required: random numbers, seed 0, where no file is."""
    return random_inputs(net) | {each.value.name: each.array() for each in given}


def _checked(array: Array, path: Path, type: TensorType) -> Array:
    """The array [1, ...] of the type: one without the batch axis gets it, a list is filled to the length with zeros."""
    shape = array.shape[1:] if array.ndim == len(type.shape) + 1 and array.shape[0] == 1 else array.shape
    flat = array.ndim == 1 and prod(type.shape) >= array.size > 0 and type.dtype not in FLOATS
    if shape != type.shape and not flat:
        raise fail("E0674", f"{path} has the shape {list(array.shape)}, the network's input is {type}")
    floats, wanted = np.issubdtype(array.dtype, np.floating), type.dtype in FLOATS
    if (floats and not wanted) or not np.isfinite(array).all():
        raise fail("E0674", f"{path} has numbers of {array.dtype}, not all finite and of {type.dtype}")
    filled = np.zeros(prod(type.shape), array.dtype)
    filled[: array.size] = array.ravel()
    return filled.reshape(1, *type.shape).astype(np.float32 if wanted else NUMPY_NAMES[type.dtype])


def read_tokens(path: Path) -> Array:
    """Numbers as text, with blanks, commas or brackets between them. Raises CompileError (E0601, E0604, E0672)."""
    content = _content(path, MAX_TEXT)
    if len(content) > MAX_TEXT:
        raise fail("E0672", f"{path} has more than {MAX_TEXT >> 20} MiB")
    words = [word for word in SEPARATORS.split(content.decode("utf-8", "replace")) if word]
    wrong = next((word for word in words if not NUMBER.fullmatch(word) or len(word) > 40), None)
    if wrong is not None or not words:
        said = f": `{wrong[:40]}` is no number" if wrong else " is empty"
        raise fail("E0672", f"{path}{said}", help="token ids, with blanks or commas between them")
    values = np.asarray([float(word) for word in words])
    whole = all(word.lstrip("+-").isdigit() for word in words) and np.abs(values).max() < 2**53
    return values.astype(np.int64) if whole else values


def read_array(path: Path, type: TensorType) -> Array:
    """A .npy of plain numbers, of no more elements than the input has. Raises CompileError (E0601, E0604, E0672)."""
    try:
        content = _content(path, MAX_HEADER + 16 * prod(type.shape))
        file = io.BytesIO(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python 2, which wrote numbers with an L
            version = np.lib.format.read_magic(file)
            size = int.from_bytes(content[8 : 8 + LENGTHS[version]], "little")
            if size > MAX_HEADER:
                raise ValueError("its header is too long")
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        if dtype.kind not in "fiub" or dtype.itemsize > 8 or prod(shape) > prod(type.shape):
            raise ValueError(f"it holds {dtype} of the shape {list(shape)[:8]}, the network's input is {type}")
        body = content[file.tell() :][: prod(shape) * dtype.itemsize]
        return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
    except CompileError:
        raise
    except Exception as error:  # numpy raises various exceptions for corrupt files
        raise fail(
            "E0672", f"{path} cannot be read as an array: {str(error)[:200]}", help="numpy.save writes one"
        ) from None


def _content(path: Path, most: int) -> bytes:
    try:
        with opened(path) as file:
            return file.read(most + 1)
    except FileNotFoundError:
        raise fail("E0671", f"there is no file {path}") from None
    except OSError as error:
        raise fail("E0672", f"cannot read {path}: {error.strerror or error}") from None
