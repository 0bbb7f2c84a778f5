"""Integer arrays as text: runs of equal and of consecutive numbers; bounded when it is read back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from itc_tile.program.program import Shards

TOKEN = re.compile(r"(-?\d{1,15})(?:\*(\d{1,9})|\.\.(-?\d{1,15}))?")
#: Numbers in one array at most.
MOST = 1 << 24


class WrongArray(ValueError):
    """A text that is no array of integers; its message says why."""


def array_text(array: Shards) -> str:
    """Numbers of a flat array: `7`, `0*64` for 64 zeros, `3..9` for 3 to 9."""
    return " ".join(_tokens(np.asarray(array, np.int64).reshape(-1)))


def _tokens(flat: Shards) -> Iterator[str]:
    steps = np.diff(flat)
    kinds = np.where(steps == 0, 0, np.where(steps == 1, 1, 2))
    breaks = np.flatnonzero(np.diff(kinds)) + 1 if len(kinds) else kinds
    at = 0
    for start, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(kinds)], strict=True):
        begin = max(start, at)  # the run before has taken its first number
        kind = int(kinds[begin]) if begin < len(kinds) else 2
        if kind < 2 and end - begin >= 1:
            first, last = int(flat[begin]), int(flat[end])
            yield f"{first}*{end - begin + 1}" if kind == 0 else f"{first}..{last}"
            at = end + 1
        else:
            yield from map(str, flat[begin:end].tolist())
            at = end
    yield from map(str, flat[at:].tolist())


def read_array(text: str, most: int = MOST) -> Shards:
    """The array of a text. Raises WrongArray for other text and for more than `most` numbers."""
    parts, count = [], 0
    for word in text.split():
        match = TOKEN.fullmatch(word)
        if match is None:
            raise WrongArray(f"`{word[:40]}` is no number, run or range")
        first = int(match[1])
        length = int(match[2]) if match[2] else int(match[3]) - first + 1 if match[3] else 1
        count += length
        if length < 1 or count > most:
            raise WrongArray(f"an array has 1 to {most:,} numbers")
        parts.append(np.full(length, first) if match[2] else np.arange(first, first + length))
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
