"""Lays out Python as formatters do: on one line if it fits, else a bracket's items one a line behind a trailing comma.

The trailing comma keeps formatters from joining the lines again, whatever line length they allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH = 88
INDENT = "    "
COMMA = ","  # of a tuple of one: where its item has a line of its own, that line ends in one anyway


@dataclass(frozen=True, slots=True)
class Bracket:
    """`head(item, item)tail`; where it does not fit, the items break, never head or tail.

    `commas` separate the items; a subscript or a comprehension has none, which would make it another.
    """

    head: str
    items: tuple[Code, ...]
    tail: str = ")"
    commas: bool = True

    def __str__(self) -> str:
        return self.head + (", " if self.commas else " ").join(map(str, self.items)) + self.tail


Code = str | Bracket


def lines(code: Code, indent: int = 0, before: str = "", after: str = "") -> Iterator[str]:
    """The lines of `before` + code + `after` at `indent` levels."""
    margin = INDENT * indent
    flat = f"{margin}{before}{code}{after}"
    if isinstance(code, str) or len(flat) <= WIDTH or not code.items:
        yield flat
        return
    yield f"{margin}{before}{code.head}"
    yield from _inside(code, indent + 1)
    yield f"{margin}{code.tail.removeprefix(COMMA)}{after}"


def _inside(code: Bracket, indent: int) -> Iterator[str]:
    together = INDENT * indent + " ".join(map(str, code.items))
    if not code.commas and len(together) <= WIDTH:
        yield together
        return
    for item in code.items:
        yield from lines(item, indent, after=COMMA if code.commas else "")


def docstring(paragraphs: Sequence[str], indent: int = 0) -> Iterator[str]:
    """A docstring whose first paragraph is its summary; quotes and backslashes in it are made harmless."""
    margin = INDENT * indent
    texts = [paragraph.replace("\\", "/").replace('"""', "'''") for paragraph in paragraphs]
    if len(texts) == 1:
        yield f'{margin}"""{texts[0]}"""'
        return
    yield f'{margin}"""{texts[0]}'
    for text in texts[1:]:
        yield ""
        yield from (margin + line for line in text.split("\n"))
    yield f'{margin}"""'
