"""The tokens of a spec by lines, from the parser's lexer, each with the comments and line breaks before it.

Text between two tokens is white space and comments, so new tokens of the grammar need no change
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lark import Token

from itc.records import dataclass
from itc.source import Source
from itc_dsl.layout import CLOSING, OPENING, TAB
from itc_dsl.parser import lark

#: Tokens after which an operator is binary and a bracket is a call or an index.
OPERANDS = frozenset({"NAME", "INT", "FLOAT", "STRING", "TRUE", "FALSE", "NONE", *CLOSING})


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; `own`: on its own line; `blank`: after an empty line; `column` counts from 0."""

    text: str
    own: bool
    blank: bool
    column: int


@dataclass(frozen=True, slots=True)
class Word:
    """A token; `column` is set for the first of a line.

    It follows `comments`, a line break (`broken`) or an empty line (`blank`).
    """

    type: str
    text: str
    column: int = 0
    comments: tuple[Comment, ...] = ()
    broken: bool = False
    blank: bool = False

    @property
    def operand(self) -> bool:
        return self.type in OPERANDS


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line, of one or more text lines; `depth` is its nesting in bodies."""

    words: tuple[Word, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class Text:
    """A file: its lines, and the comments after the last."""

    lines: tuple[Line, ...]
    end: tuple[Comment, ...]

    @property
    def words(self) -> list[tuple[str, str]]:
        """Its tokens."""
        return [(word.type, word.text) for line in self.lines for word in line.words]

    @property
    def comments(self) -> list[str]:
        """All comments in order."""
        inside = [comment.text for line in self.lines for word in line.words for comment in word.comments]
        return inside + [comment.text for comment in self.end]


def read(source: Source) -> Text:
    """The lines of a valid text, without redundant commas."""
    lines: list[Line] = []
    words: list[Word] = []
    depth = at = 0
    for token in lark().parse_interactive(source.text + "\n", start="start").exhaust_lexer():
        if token.type in ("_INDENT", "_DEDENT"):
            depth += 1 if token.type == "_INDENT" else -1
        elif token.type != "_NEWLINE":
            assert token.start_pos is not None and token.end_pos is not None
            words.append(_word(source, at, token, first=not words))
            at = token.end_pos
        elif words:
            lines.append(Line(tuple(_without_idle_commas(words)), depth))
            words = []
    end, _, _ = _gap(source.text[at:], first=at == 0)
    return Text(tuple(lines), end)


def _word(source: Source, before: int, token: Token, first: bool) -> Word:
    start = token.start_pos or 0
    comments, broken, blank = _gap(source.text[before:start], first=before == 0)
    column = len(source.text[source.text.rfind("\n", 0, start) + 1 : start].expandtabs(TAB)) if first else 0
    return Word(token.type, _spelling(token), column, comments, broken, blank)


def _spelling(token: Token) -> str:
    """A formatted token: strings have double quotes if their contents allow it."""
    inside = token[1:-1]
    if token.type == "STRING" and token[0] == "'" and not {'"', "\\", "'"} & set(inside):
        return f'"{inside}"'
    return str(token)


def _gap(text: str, first: bool) -> tuple[tuple[Comment, ...], bool, bool]:
    """The comments between two tokens, whether there is a line break, and whether the last line is empty."""
    comments: list[Comment] = []
    lines = text.split("\n")
    filled = -1 if first else 0
    for number, line in enumerate(lines):
        stripped = line.strip(" \t\r")
        if not stripped:
            continue
        assert stripped.startswith("#"), stripped
        column = len(line) - len(line.lstrip(" \t"))
        own = number > 0 or first
        comments.append(Comment(stripped, own, number > filled + 1, len(line[:column].expandtabs(TAB))))
        filled = number
    return tuple(comments), len(lines) > 1, len(lines) - 1 > filled + 1


def _without_idle_commas(words: list[Word]) -> Iterator[Word]:
    """The tokens with comments before a comma moved after it, and without a comma before a closing bracket.

    The comma of `(a,)`, a list of one, stays.
    """
    pending: tuple[Comment, ...] = ()
    commas: list[int] = []
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else None
        if word.type in OPENING:
            lists = word.type == "LPAR" and not (number and words[number - 1].operand)
            commas.append(0 if lists else 1)
        elif word.type in CLOSING:
            commas.pop()
        elif word.type == "COMMA" and commas:
            commas[-1] += 1
        if word.type != "COMMA":
            yield replace(word, comments=pending + word.comments) if pending else word
            pending = ()
            continue
        pending += word.comments
        needed = following is None or following.type not in CLOSING or commas[-1] == 1
        if needed:
            yield replace(word, comments=(), broken=False)
