"""Colours for specs in documents and terminals: a lexer of Pygments, found by its entry point under the name `itn`."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Token,
    Whitespace,
)

from itc_lsp.words import ANNOTATIONS, CONSTANTS, DEFINITIONS, ROLES, STATEMENTS

__all__ = ["SpecLexer"]

Rules = list[tuple[object, ...]]


class SpecLexer(RegexLexer):
    """Specs of itc."""

    name = "itn"
    aliases: ClassVar[list[str]] = ["itn"]
    filenames: ClassVar[list[str]] = ["*.itn"]
    tokens: ClassVar[dict[str, Rules]] = {
        "root": [
            (r"#[^\n]*", Comment.Single),
            (r"\s+", Whitespace),
            (rf"@(?:{'|'.join(ANNOTATIONS)})\b", Name.Decorator),
            (r"\"[^\"\n]*\"|'[^'\n]*'", String),
            (r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?", Number),
            (words(DEFINITIONS, suffix=r"\b(?=\s+\w)"), Keyword.Declaration),
            (words(STATEMENTS, prefix=r"\b", suffix=r"\b"), Keyword),
            (words(ROLES, prefix=r"\b", suffix=r"\b(?=\s+\w)"), Keyword.Type),
            (words(CONSTANTS, prefix=r"\b", suffix=r"\b"), Keyword.Constant),
            (r"\|>|==|!=|<=|>=|//|\*\*|[-+*/%<>=]", Operator),
            (r"[A-Za-z_]\w*(?=\s*\()", Name.Function),
            (r"[A-Za-z_]\w*", Name),
            (r"[][(){},.:@]", Punctuation),
            (r".", Token.Error),
        ]
    }
