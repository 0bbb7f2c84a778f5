"""Source texts and spans in them; all later stages refer to text by spans."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from functools import cached_property

from itc.records import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """A position in a text; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Source:
    """A named text; diagnostics print `name` after `-->`."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, char in enumerate(self.text) if char == "\n")]

    def location(self, offset: int) -> Location:
        """The line and column of the character at `offset` (clamped to the text)."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._line_starts, offset)
        return Location(line, offset - self._line_starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its newline; empty past the end."""
        if not 1 <= number <= len(self._line_starts):
            return ""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]

    def span(self, start: int, end: int) -> Span:
        return Span(self, start, end)


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` up to, not including, `end` of a source."""

    source: Source
    start: int
    end: int

    @property
    def location(self) -> Location:
        return self.source.location(self.start)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end)

    def __repr__(self) -> str:
        return f"Span({self.source.name}:{self.location.line}:{self.location.column})"
