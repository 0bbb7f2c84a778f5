"""Converts newline tokens to newline, _INDENT and _DEDENT tokens; newlines inside brackets are dropped."""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token
from lark.lark import PostLex

MAX_NESTING = 50
MAX_TOKENS = 200_000
TAB = 8

OPENING = {"LPAR": ")", "LSQB": "]"}
CLOSING = frozenset({"RPAR", "RSQB"})


class LayoutError(Exception):
    """Inconsistent dedent (`dedent`), nesting too deep (`nesting`), or text too long (`length`)."""

    def __init__(self, kind: str, token: Token, levels: tuple[int, ...] = ()) -> None:
        super().__init__(kind)
        self.kind = kind
        self.token = token
        self.levels = levels


class Layout(PostLex):
    """Stateless between texts, so that all share one parser."""

    always_accept = ("_NEWLINE",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        levels, brackets = [0], 0
        token: Token | None = None
        for count, token in enumerate(stream):
            if count > MAX_TOKENS:
                raise LayoutError("length", token)
            if token.type == "_NEWLINE":
                if not brackets:
                    yield from _newline(token, levels)
                continue
            brackets = max(0, brackets + (token.type in OPENING) - (token.type in CLOSING))
            if brackets > MAX_NESTING:
                raise LayoutError("nesting", token)
            yield token
        if token is not None:
            yield from (Token.new_borrow_pos("_DEDENT", "", token) for _ in levels[1:])


def _newline(token: Token, levels: list[int]) -> Iterator[Token]:
    """A newline and the bodies opened or closed by the next line; `levels` are the open indentations."""
    yield token
    column = len(indentation(token).expandtabs(TAB))
    if column > levels[-1]:
        levels.append(column)
        if len(levels) > MAX_NESTING:
            raise LayoutError("nesting", token)
        yield Token.new_borrow_pos("_INDENT", "", token)
    while column < levels[-1]:
        closed = tuple(levels)
        levels.pop()
        if column > levels[-1]:
            raise LayoutError("dedent", token, closed)
        yield Token.new_borrow_pos("_DEDENT", "", token)


def indentation(newline: str) -> str:
    """The indentation of the line after a newline token."""
    return newline.rsplit("\n", 1)[1]
