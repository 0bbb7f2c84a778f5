"""Offsets in a text and positions of the protocol: lines from 0, columns in UTF-16 code units."""

from __future__ import annotations

from lsprotocol.types import Position, Range

from itc.source import Source, Span


def position(source: Source, offset: int) -> Position:
    """The position of the character at an offset, which is clamped to the text."""
    location = source.location(offset)
    before = source.line(location.line)[: location.column - 1]
    return Position(location.line - 1, _units(before))


def range_of(span: Span) -> Range:
    """The range of a span, in its own text."""
    return Range(position(span.source, span.start), position(span.source, span.end))


def offset(source: Source, at: Position) -> int:
    """The offset of a position; beyond the end of its line, that of the end."""
    start = 0
    for _ in range(at.line):
        found = source.text.find("\n", start)
        if found < 0:
            return len(source.text)
        start = found + 1
    line, units = source.line(at.line + 1), 0
    for column, character in enumerate(line):
        if units >= at.character:
            return start + column
        units += _units(character)
    return start + len(line)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
