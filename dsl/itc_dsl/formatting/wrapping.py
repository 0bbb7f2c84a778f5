"""Wraps a logical line into text lines, aligned below their bracket or pipe.

A line that fits stays on one line. Others keep the author's breaks if each line fits, else they are filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from itc_dsl.formatting.parts import Doc, Enclosed, Fill, Glued, Leaf, heads, parts
from itc_dsl.formatting.words import Word

WIDTH = 120
INDENT = 4
#: Maximum alignment column relative to the base, which bounds the indentation.
MAX_ALIGN = 80


def wrap(words: Sequence[Word], indent: int) -> list[str]:
    """The text lines of a logical line indented by `indent` columns."""
    writer = _Writer(indent)
    writer.doc(parts(words), indent, 0)
    return writer.lines


def aligned(column: int, base: int) -> int:
    """The column of continuation lines of a part: its own column, or near its base if that is too far right."""
    return column if column <= max(MAX_ALIGN, base + INDENT) else base + INDENT


class _Writer:
    """The lines so far; `fresh` means that the last one is empty."""

    def __init__(self, indent: int) -> None:
        self.lines = [" " * indent]
        self.fresh = True

    @property
    def column(self) -> int:
        return len(self.lines[-1])

    def newline(self, column: int) -> None:
        self.lines.append(" " * column)
        self.fresh = True

    def fits(self, doc: Doc, tail: float) -> bool:
        """Whether a part and the unbreakable `tail` after it fit within the width."""
        return self.column + doc.width - (self.fresh and doc.first.space) + tail <= WIDTH

    def doc(self, doc: Doc, base: int, tail: float) -> None:
        """Writes a part; `base` is the column of the enclosing part, `tail` the unbreakable width after it."""
        match doc:
            case Leaf():
                self.leaf(doc, base)
            case Enclosed():
                self.enclosed(doc, base, tail)
            case Glued(parts=inner):
                for at, part in enumerate(inner):
                    width, ends = heads(inner[at + 1 :])
                    self.doc(part, base, width if ends else width + tail)
            case Fill():
                self.fill(doc, base, tail)

    def leaf(self, leaf: Leaf, column: int) -> None:
        self.comments(leaf, column)
        self.lines[-1] += " " * (leaf.space and not self.fresh) + leaf.word.text
        self.fresh = False

    def comments(self, leaf: Leaf, column: int) -> None:
        """Writes the comments before a token and starts a new line."""
        for number, comment in enumerate(leaf.word.comments):
            if number or comment.own:
                if not self.fresh:
                    self.newline(column)
                self.lines[-1] += comment.text
            else:
                self.lines[-1] += f"  {comment.text}"
            self.newline(column)

    def enclosed(self, doc: Enclosed, base: int, tail: float) -> None:
        self.comments(doc.open, base)
        flat = self.fits(doc, tail)
        self.leaf(replace(doc.open, word=replace(doc.open.word, comments=())), base)
        column = aligned(self.column, base)
        noted = doc.inside is not None and doc.inside.first.word.comments  # always followed by a line break
        if not flat and column < self.column and not noted:
            self.newline(column)
        if doc.inside:
            self.doc(doc.inside, column, tail + doc.close.width)
        self.leaf(doc.close, column)

    def fill(self, doc: Fill, base: int, tail: float) -> None:
        noted = bool(doc.first.word.comments)
        column = base if noted else aligned(self.column + (doc.first.space and not self.fresh), base)
        flat = not noted and self.fits(doc, tail)
        kept = self.as_written(doc, column, tail)
        long = False
        for number, part in enumerate(doc.parts):
            last = number == len(doc.parts) - 1
            after = tail if last else 0
            breaks = (kept and part.first.word.broken) or long or not self.fits(part, after)
            if number and not flat and not part.first.word.comments and breaks:
                self.newline(column)
            before = len(self.lines)
            self.doc(part, column, after)
            long = len(self.lines) > before

    def as_written(self, doc: Fill, column: int, tail: float) -> bool:
        """Whether the author's lines of a part fit, or cannot be broken."""
        start, count, widths = self.column, 0, 0.0
        for part in doc.parts:
            if count and part.first.word.broken:
                if count > 1 and start + widths > WIDTH:
                    return False
                start, count, widths = column, 0, -float(part.first.space)
            count, widths = count + 1, widths + part.width
        return count == 1 or start + widths + tail <= WIDTH
