"""Formats the lines of a spec: indentation, blank lines between definitions, and comments.

The result has the tokens and comments of the text, in order; formatting is idempotent.
"""

from __future__ import annotations

from dataclasses import replace

from itc.source import Source
from itc_dsl.formatting.words import Comment, Line, Text, read
from itc_dsl.formatting.wrapping import INDENT, wrap
from itc_dsl.parser import parse


def format_source(source: Source) -> str:
    """The formatted text of a spec. Raises CompileError (E01xx) if it does not parse."""
    parse(source)
    text = read(source)
    formatted = _Layout(text).format()
    again = read(Source(source.name, formatted))
    assert again.words == text.words and again.comments == text.comments, "the formatter lost something"
    return formatted


class _Layout:
    """The lines written so far, and the state for blank lines and the indentation of comments."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.out: list[str] = []
        #: The columns of the open bodies in the original text.
        self.columns: list[int] = []
        self.bodies = _bodies(text.lines)

    def format(self) -> str:
        above: Line | None = None
        for number, line in enumerate(self.text.lines):
            first = line.words[0]
            comments = self.behind(first.comments)
            depths = [self.depth(comment, above, line.depth) for comment in comments]
            blanks = [comment.blank for comment in comments] + [first.blank]
            blanks = self.blanks(number, [*depths, line.depth], blanks)
            self.write_comments(comments, depths, blanks)
            words = (replace(first, comments=()), *line.words[1:])
            self.write(wrap(words, INDENT * line.depth), blanks[-1])
            self.columns[line.depth :] = [first.column]
            above = line
        comments = self.behind(self.text.end)
        self.write_comments(comments, [self.depth(c, above, 0) for c in comments], [c.blank for c in comments])
        return "\n".join(self.out) + "\n"

    def behind(self, comments: tuple[Comment, ...]) -> tuple[Comment, ...]:
        """Writes the trailing comment of the previous line, if any; returns the others."""
        if not comments or comments[0].own or not self.out:
            return comments
        self.out[-1] += f"  {comments[0].text}"
        return comments[1:]

    def depth(self, comment: Comment, above: Line | None, depth: int) -> int:
        """The depth of a comment between two lines: by its column, at most the deeper of both lines."""
        deepest = above.depth if above else 0
        while deepest > depth and self.columns[deepest] > comment.column:
            deepest -= 1
        return max(deepest, depth)

    def blanks(self, number: int, depths: list[int], blanks: list[bool]) -> list[bool]:
        """Whether each comment above a line, and the line itself, has a blank line before it."""
        if not number:
            return [False, *blanks[1:]]
        line, above = self.text.lines[number], self.text.lines[number - 1]
        if above.words[0].type == "AT":
            return [False] * len(blanks)
        if line.depth > above.depth:
            return [False, *blanks[1:]]
        outer = [at for at, depth in enumerate(depths) if depth == 0]
        parted = any(blanks[at] for at in outer)
        if line.depth == 0 and not parted and (self.bodies[number - 1] or self.bodies[number]):
            blanks[outer[0]] = True
        return blanks

    def write_comments(self, comments: tuple[Comment, ...], depths: list[int], blanks: list[bool]) -> None:
        for comment, depth, blank in zip(comments, depths, blanks, strict=False):
            self.write([" " * (INDENT * depth) + comment.text], blank)

    def write(self, lines: list[str], blank: bool) -> None:
        if blank and self.out:
            self.out.append("")
        self.out += lines


def _bodies(lines: tuple[Line, ...]) -> list[bool]:
    """For each line, whether its definition, including annotations, has a body."""
    out = [line.depth > 0 for line in lines]
    for number in range(len(lines) - 2, -1, -1):
        below = lines[number + 1].depth > 0 or (lines[number].words[0].type == "AT" and out[number + 1])
        out[number] = out[number] or below
    return out
