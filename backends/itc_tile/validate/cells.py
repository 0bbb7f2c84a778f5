"""Comma-separated files: cells with their spans, and checked numbers; faults are diagnostics at cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.files import opened
from itc.source import Source, Span

MOST_BYTES = 1 << 20
MOST_ROWS = 1000
MOST_SIZE = 1 << 16
MOST_FIGURE = 1 << 53


@dataclass(frozen=True)
class Line:
    """A row of a file: the span of each cell, by the name of its column."""

    cells: Mapping[str, Span]

    def text(self, column: str) -> str:
        return self.cells[column].text

    def number(self, column: str, least: int = 1, most: int = MOST_SIZE) -> int:
        """A whole number. Raises CompileError (E0562)."""
        return self._whole(self.cells[column], self.text(column), least, most)

    def pair(self, column: str, least: int = 1) -> tuple[int, int]:
        """Rows x columns, such as `3x3`. Raises CompileError (E0562)."""
        parts = self.text(column).split("x")
        if len(parts) != 2:
            raise wrong(self.cells[column], "expected rows x columns, such as `3x3`")
        rows, columns = (self._whole(self.cells[column], part, least, MOST_SIZE) for part in parts)
        return rows, columns

    def figure(self, column: str) -> int:
        """An expected figure. Raises CompileError (E0562)."""
        return self.number(column, most=MOST_FIGURE)

    def _whole(self, span: Span, text: str, least: int, most: int) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 16):
            raise wrong(span, "expected a whole number")
        if not least <= int(text) <= most:
            raise wrong(span, f"{text} is not between {least} and {most}")
        return int(text)


def wrong(span: Span, message: str, help: str = "") -> CompileError:
    """A cell that is not what its column takes."""
    return CompileError([Diagnostic("E0562", message, Label(span), help=help)])


def read_source(path: Path) -> Source:
    """The text of a file. Raises CompileError: E0561 where it cannot be read as text, E0565 where it is too long."""
    try:
        with opened(path) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise fail("E0561", f"cannot read {path}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise fail("E0565", f"{path} is longer than {MOST_BYTES:,} bytes")
    try:
        return Source(str(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise fail("E0561", f"{path} is not a text: byte {error.start} is not UTF-8") from None


def lines(source: Source) -> tuple[Line, list[Line]]:
    """The line of titles and the rows. Raises CompileError: E0562 for a row of the wrong length, E0565 without rows."""
    each = [cells for cells in _split(source) if cells]
    if len(each) < 2:
        raise fail("E0565", f"{source.name} has no rows", help="give a line of titles, and a row for each layer")
    if len(each) > MOST_ROWS + 1:
        raise fail("E0565", f"{source.name} has {len(each) - 1:,} rows, more than {MOST_ROWS:,}")
    titles = [span.text for span in each[0]]
    for cells in each[1:]:
        if len(cells) != len(titles):
            raise wrong(cells[-1], f"the row has {len(cells)} cells, and {len(titles)} columns have a title")
    rows = [Line(dict(zip(titles, cells, strict=True))) for cells in each[1:]]
    return Line(dict(zip(titles, each[0], strict=True))), rows


def _split(source: Source) -> Iterator[list[Span]]:
    """The spans of the cells of each line, without spaces around them."""
    start = 0
    for line in source.text.splitlines(keepends=True):
        yield list(_cells(source, start, line)) if line.strip() else []
        start += len(line)


def _cells(source: Source, start: int, line: str) -> Iterator[Span]:
    for cell in line.rstrip("\r\n").split(","):
        first = start + len(cell) - len(cell.lstrip())
        yield source.span(first, first + len(cell.strip()))
        start += len(cell) + 1
