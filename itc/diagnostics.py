"""Errors of the user as values: coded diagnostics with labelled spans, a help, and a proposed edit."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from itc.records import dataclass
from itc.source import Span
from itc.visible import visible

#: Maximum columns shown of a line; of a longer one, those around its labels.
MAX_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Label:
    """A span with a message."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of `span` that fixes the error; `apply` gives the edited text."""

    span: Span
    replacement: str

    def apply(self) -> str:
        text = self.span.source.text
        return text[: self.span.start] + self.replacement + text[self.span.end :]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error: a stable code, a message, the `primary` label, `secondary` labels, and a help to fix it."""

    code: str
    message: str
    primary: Label | None = None
    secondary: tuple[Label, ...] = ()
    help: str = ""
    edit: Edit | None = None

    def json(self) -> dict[str, Any]:
        """The diagnostic as JSON-ready values; lines and columns count from 1."""
        labels = ([self.primary] if self.primary else []) + list(self.secondary)
        return {
            "code": self.code,
            "message": self.message,
            "labels": [_label_json(label) for label in labels],
            "help": self.help,
            "edit": _edit_json(self.edit) if self.edit else None,
        }


class CompileError(Exception):
    """All diagnostics of one phase: errors of the user, never of itc."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(render(self.diagnostics))


def fail(code: str, message: str, span: Span | None = None, note: str = "", help: str = "") -> CompileError:
    """A CompileError of a single diagnostic."""
    primary = Label(span, note) if span else None
    return CompileError([Diagnostic(code, message, primary, help=help)])


def shortened(items: Iterable[str], most: int = 5) -> str:
    """The items as text; of many items, the first ones and the number of the others."""
    listed = list(items)
    rest = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """The diagnostics as text, in the format of rustc, separated by blank lines.

    Untrusted text in messages, names and labels is escaped: it neither controls the terminal nor starts a line.
    """
    return "\n\n".join(render_one(diagnostic) for diagnostic in diagnostics)


def render_one(diagnostic: Diagnostic) -> str:
    lines = [f"error[{diagnostic.code}]: {visible(diagnostic.message)}"]
    gutter = 0
    if diagnostic.primary:
        gutter = _gutter(diagnostic)
        lines += _snippets(diagnostic, diagnostic.primary, gutter)
    if diagnostic.help:
        first, *rest = map(visible, diagnostic.help.split("\n"))
        lines.append(f"{' ' * gutter} = help: {first}")
        lines += [f"{' ' * gutter}         {line}" for line in rest]
    return "\n".join(lines)


def _gutter(diagnostic: Diagnostic) -> int:
    assert diagnostic.primary
    labels = [diagnostic.primary, *diagnostic.secondary]
    return max(len(str(label.span.location.line)) for label in labels)


def _snippets(diagnostic: Diagnostic, primary: Label, gutter: int) -> list[str]:
    pad = " " * gutter
    place = primary.span.location
    out = [f"{pad}--> {visible(primary.span.source.name)}:{place.line}:{place.column}", f"{pad} |"]
    labels = [primary, *diagnostic.secondary]
    here = [label for label in labels if label.span.source == primary.span.source]
    out += _file_lines(here, primary, gutter)
    elsewhere = [label for label in labels if label.span.source != primary.span.source]
    for name, group in groupby(elsewhere, key=lambda label: label.span.source.name):
        members = list(group)
        at = members[0].span.location
        out += [f"{pad}::: {visible(name)}:{at.line}:{at.column}", f"{pad} |"]
        out += _file_lines(members, primary, gutter)
    return out


def _file_lines(labels: list[Label], primary: Label, gutter: int) -> list[str]:
    """The labelled lines of one file in order, with `...` for omitted lines."""
    out: list[str] = []
    before = None
    by_line = sorted(labels, key=lambda label: (label.span.location.line, label.span.start))
    for number, group in groupby(by_line, key=lambda label: label.span.location.line):
        if before is not None and number > before + 1:
            out.append("...")
        members = list(group)
        line = _Line(members[0].span.source.line(number), members)
        out.append(f"{number:>{gutter}} | {line.shown}".rstrip())
        out += [f"{' ' * gutter} | {marks}".rstrip() for marks in _marks(members, primary, line)]
        before = number
    return out


def _printable(text: str) -> str:
    """`text` with tabs and control characters as one column each, so that carets are aligned."""
    return "".join(
        char if char.isprintable() else " " if char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


class _Line:
    """A line as shown: whole, or the part of a long one around its labels."""

    def __init__(self, text: str, labels: list[Label]) -> None:
        self.shift, self.end = 0, len(text)
        if len(text) > MAX_WIDTH:
            first = min(label.span.location.column for label in labels) - 1
            self.shift = max(0, first - MAX_WIDTH // 4)
            self.end = min(len(text), self.shift + MAX_WIDTH)
        cut = _printable(text[self.shift : self.end])
        cut = "..." + cut[3:] if self.shift else cut
        self.shown = cut[:-3] + "..." if self.end < len(text) else cut

    def columns(self, label: Label) -> tuple[int, int]:
        """First and last-plus-one column (from 0) of a label on its first line; at least one wide."""
        start = min(label.span.location.column - 1, self.end)
        end = min(start + label.span.end - label.span.start, self.end)
        return start - self.shift, max(end, start + 1) - self.shift


def _marks(labels: list[Label], primary: Label, line: _Line) -> list[str]:
    """The underline of a line and its label texts: the rightmost beside it, the others below."""
    width = max(line.columns(label)[1] for label in labels)
    underline = [" "] * width
    for label in sorted(labels, key=lambda label: label is primary):
        start, end = line.columns(label)
        underline[start:end] = ("^" if label is primary else "-") * (end - start)
    texts = sorted({(line.columns(label)[0], visible(label.text)) for label in labels if label.text}, reverse=True)
    first = "".join(underline)
    if not texts:
        return [first]
    rightmost = max(labels, key=line.columns)
    beside = (line.columns(rightmost)[0], visible(rightmost.text))
    if beside not in texts:
        return [first, *_hang(texts)]
    return [f"{first} {beside[1]}", *_hang([entry for entry in texts if entry != beside])]


def _hang(texts: list[tuple[int, str]]) -> list[str]:
    """Label texts under their columns, from right to left, connected by bars."""
    out = []
    for position, (column, text) in enumerate(texts):
        bars = _bars([other for other, _ in texts[position:]])
        out.append(bars)
        out.append(_bars([other for other, _ in texts[position + 1 :]]).ljust(column)[:column] + text)
    return out


def _bars(columns: list[int]) -> str:
    line = [" "] * (max(columns, default=-1) + 1)
    for column in columns:
        line[column] = "|"
    return "".join(line)


def _label_json(label: Label) -> dict[str, Any]:
    start, end = label.span.location, label.span.source.location(label.span.end)
    return {
        "file": label.span.source.name,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "text": label.text,
    }


def _edit_json(edit: Edit) -> dict[str, Any]:
    return {**_label_json(Label(edit.span)), "text": edit.replacement}
