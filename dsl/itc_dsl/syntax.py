"""Converts Lark's exceptions to diagnostics with the likely cause and a fix."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from itc.diagnostics import Diagnostic, Edit, Label
from itc.source import Source, Span
from itc_dsl.layout import CLOSING, MAX_NESTING, MAX_TOKENS, OPENING, TAB, LayoutError, indentation

RESERVED = frozenset(
    [
        "from", "import", "carry", "each", "return", "input", "yield", "halt", "emit", "if",
        "elif", "else", "for", "in", "or", "and", "not", "true", "false", "none",
    ]
)  # fmt: skip
TERMINALS = {
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "STRING": "a string",
    "TRUE": "`true`",
    "FALSE": "`false`",
    "NONE": "`none`",
    "_NEWLINE": "the end of the line",
    "_INDENT": "an indented body",
    "_DEDENT": "the end of the body",
    "$END": "the end of the text",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "LPAR": "`(`",
    "LSQB": "`[`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "EQUALS": "`=`",
    "IN": "`in`",
    "_IMPORT": "`import`",
    "_ELSE": "`else`",
    "DOT": "`.`",
    "_EMIT": "`emit`",
}
MAX_EXPECTED = 5
#: Operators between expressions, which may not follow a pipe.
OPERATORS = frozenset(
    [
        "_IF", "OR", "AND", "NOT", "IN", "COMPARE", "EQUAL", "PLUS", "MINUS", "STAR", "SLASH", "DOUBLESLASH",
        "PERCENT", "POWER", "LSQB",
    ]
)  # fmt: skip
CONTINUED = "a line continues inside brackets, or on a line that starts with `|>`"
#: Replacements for keywords and operators of other languages.
INSTEAD = {
    ".": "values have no attributes: write `f(x)` or `x |> f`",
    "@": "write `matmul(a, b)` for the product of two matrices",
    "as": "imports cannot be renamed",
    "class": "define a `block`, or a `data`, `iterative` or `output` block",
    "def": "define a `block`, or a `data`, `iterative` or `output` block",
    "import": "write `from name import a, b`",
    "is": "compare with `==`",
    "lambda": "write a `block`; blocks are values",
    "while": "write an `iterative` block, or a `for`",
}


def explain(source: Source, error: UnexpectedInput | LayoutError, code: str = "E0101", help: str = "") -> Diagnostic:
    """The diagnostic of a parser exception; `code` and `help` are the defaults if no specific rule applies."""
    match error:
        case LayoutError(kind="nesting", token=token):
            message = f"brackets or bodies are nested deeper than {MAX_NESTING}"
            return Diagnostic("E0107", message, Label(_span(source, token), "this deep"))
        case LayoutError(kind="length", token=token):
            message = f"the file has more than {MAX_TOKENS} tokens"
            return Diagnostic("E0108", message, Label(_span(source, token), "reached here"))
        case LayoutError():
            return _bad_dedent(source, error)
        case UnexpectedToken():
            return _Unexpected(source, error).explain(code, help)
        case UnexpectedCharacters():
            return _bad_character(source, error, code)
    raise AssertionError(f"the parser raised {error!r}")


def _span(source: Source, token: Token) -> Span:
    end = len(source.text)
    return source.span(min(token.start_pos or 0, end), min(token.end_pos or 0, end))


def _indentation_span(source: Source, newline: Token) -> Span:
    """The indentation after a newline token, or an _INDENT of it."""
    end = min(newline.end_pos or 0, len(source.text))
    return source.span(source.text.rfind("\n", 0, end) + 1, end)


def _bad_dedent(source: Source, error: LayoutError) -> Diagnostic:
    span = _indentation_span(source, error.token)
    column = len(indentation(error.token).expandtabs(TAB))
    nearest = min(error.levels, key=lambda level: (abs(level - column), -level))
    levels = " or ".join(str(level) for level in error.levels)
    return Diagnostic(
        "E0103",
        "the indentation matches no line above",
        Label(span, f"indented by {column}, the bodies above by {levels}"),
        help=f"indent the line by {nearest}",
        edit=Edit(span, " " * nearest),
    )


def _bad_character(source: Source, error: UnexpectedCharacters, code: str) -> Diagnostic:
    at = error.pos_in_stream or 0
    char = source.text[at : at + 1]
    label = Label(source.span(at, at + 1), "not expected")
    if char in {'"', "'"}:
        end = source.text.find("\n", at)
        rest = source.span(at, end if end >= 0 else len(source.text))
        return Diagnostic(code, "the string does not end on its line", Label(rest, f"no closing {char}"))
    known = {
        ";": "write one statement per line, without `;`",
        "\\": CONTINUED,
        "{": "there are no dictionaries; write lists as `[a, b]`",
        "!": "write `not`",
        "&": "write `and`",
        "|": "write `or`; a pipe is `|>`",
    }
    return Diagnostic(code, f"the character `{char}` has no meaning here", label, help=known.get(char, ""))


class _Unexpected:
    """An unexpected token, with the parser's stack before it."""

    def __init__(self, source: Source, error: UnexpectedToken) -> None:
        self.source = source
        self.token: Token = error.token
        state: Any = error.state
        self.stack: Sequence[Token | Tree[Token]] = list(state.value_stack)
        #: The tokens that the parser accepts here; those in the exception depend on its origin.
        self.expected: Collection[str] = InteractiveParser(None, state, state.lexer).accepts()  # type: ignore[no-untyped-call]
        self.span = _span(source, self.token)

    def explain(self, code: str, help: str) -> Diagnostic:
        return (
            self.unclosed()
            or self.indented()
            or self.missing_body()
            or self.missing_colon()
            or self.loose_pipe()
            or self.pipe_before_if()
            or self.single_equals()
            or self.reserved()
            or self.late_version()
            or self.anything(code, help)
        )

    @property
    def before(self) -> Span:
        """The end of the previous token."""
        last = self.stack[-1] if self.stack else None
        end = last.meta.end_pos if isinstance(last, Tree) else getattr(last, "end_pos", None)
        end = min(end or 0, len(self.source.text))
        return self.source.span(end, end)

    @property
    def opener(self) -> Token | None:
        """The innermost open bracket."""
        closed = 0
        for token in reversed(self.stack):
            kind = token.type if isinstance(token, Token) else ""
            closed += (kind in CLOSING) - (kind in OPENING)
            if closed < 0:
                assert isinstance(token, Token)
                return token
        return None

    def unclosed(self) -> Diagnostic | None:
        """An unclosed bracket, if the line is not indented more than the line of the bracket."""
        opener = self.opener
        ends = self.token.type in ("$END", "_DEDENT")
        if opener is None or not (ends or self.starts_line_left_of(opener)):
            return None
        closer = OPENING[opener.type]
        label = Label(_span(self.source, opener), "opened here")
        found = () if ends else (Label(self.span, "still inside it"),)
        message = f"this `{opener}` is not closed"
        return Diagnostic("E0102", message, label, found, f"close it with `{closer}`", Edit(self.before, closer))

    def starts_line_left_of(self, opener: Token) -> bool:
        line, of_opener = (self.source.line(t.location.line) for t in (self.span, _span(self.source, opener)))
        first = len(line) - len(line.lstrip()) == self.span.location.column - 1
        return first and len(line) - len(line.lstrip()) <= len(of_opener) - len(of_opener.lstrip())

    def indented(self) -> Diagnostic | None:
        if self.token.type != "_INDENT":
            return None
        span = _indentation_span(self.source, self.token)
        above = self.source.text[: span.start].rstrip().rsplit("\n", 1)[-1]
        wanted = above[: len(above) - len(above.lstrip())]
        return Diagnostic(
            "E0103",
            "this line is indented, but no line above opens a body",
            Label(span, "indented further than the line above"),
            help=f"indent it by {len(wanted)}, as the line above",
            edit=Edit(span, wanted),
        )

    def missing_body(self) -> Diagnostic | None:
        if set(self.expected) == {"_INDENT"}:
            return Diagnostic(
                "E0103",
                "a body is missing",
                Label(self.colon(), "an indented body must follow"),
                help="indent the lines of the body",
            )
        if set(self.expected) == {"_NEWLINE"} and self.last_is("COLON"):
            return Diagnostic(
                "E0103",
                "a body must start on a new line",
                Label(self.span, "on the line of the `:`"),
                help="start a new line after the `:` and indent it",
            )
        return None

    def last_is(self, kind: str) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1], Token) and self.stack[-1].type == kind

    def colon(self) -> Span:
        colons = [t for t in self.stack if isinstance(t, Token) and t.type == "COLON"]
        return _span(self.source, colons[-1]) if colons else self.span

    def missing_colon(self) -> Diagnostic | None:
        if self.token.type != "_NEWLINE" or "COLON" not in self.expected or self.opener:
            return None
        if any(kind in self.expected for kind in ("EQUALS", "COMMA")):
            return None
        label = Label(self.before, "here")
        if [token.type for token in self.stack[-2:] if isinstance(token, Token)] == ["_INPUT", "NAME"]:
            help = f"add its type: `input {self.stack[-1]}: f32[3, 32, 32]`"
            return Diagnostic("E0101", "the type of the input is missing", label, help=help)
        edit = Edit(self.before, ":")
        return Diagnostic("E0101", "a `:` is missing", label, help="end the line with `:`", edit=edit)

    def loose_pipe(self) -> Diagnostic | None:
        if self.token.type != "_PIPE":
            return None
        return Diagnostic(
            "E0110",
            "`|>` does not mix with operators",
            Label(self.span, "the left side must be a name, a call, an index or in parentheses"),
            help="add parentheses: `(a + b) |> f`, or `a + (b |> f)`",
        )

    def pipe_before_if(self) -> Diagnostic | None:
        """`x |> f if c else y`: the pipe has lower precedence than the condition, which would select the last stage."""
        if self.token.type not in OPERATORS or self.before_stage() != "_PIPE":
            return None
        return Diagnostic(
            "E0110",
            f"`{self.token}` cannot follow a pipe",
            Label(self.span, "applies to the whole pipe or to its last stage?"),
            help=f"put the pipe into parentheses: `(x |> f) {self.token} ...`",
        )

    def before_stage(self) -> str:
        """The token before the last call or name."""
        kinds = [token.type if isinstance(token, Token) else "" for token in self.stack]
        if kinds and kinds[-1] == "RPAR" and "LPAR" in kinds:
            del kinds[len(kinds) - 1 - kinds[::-1].index("LPAR") :]
        return kinds[-2] if len(kinds) > 1 and kinds[-1] == "NAME" else ""

    def single_equals(self) -> Diagnostic | None:
        if self.token.type != "EQUALS" or not ("EQUAL" in self.expected or set(self.expected) == {"COLON"}):
            return None
        label, edit = Label(self.span, "in an expression"), Edit(self.span, "==")
        return Diagnostic("E0101", "`=` assigns, it does not compare", label, (), "compare with `==`", edit)

    def reserved(self) -> Diagnostic | None:
        if self.token not in RESERVED or "NAME" not in self.expected:
            return None
        message = f"`{self.token}` is a reserved word"
        return Diagnostic("E0101", message, Label(self.span, "a name is expected"), help="use another name")

    def late_version(self) -> Diagnostic | None:
        if self.token != "itn" or "BLOCK" not in self.expected:
            return None
        help = "only comments may precede it"
        label = Label(self.span, "not the first line")
        return Diagnostic("E0109", "the version of the language must be the first line of a file", label, help=help)

    def anything(self, code: str, help: str) -> Diagnostic:
        found = TERMINALS.get(self.token.type, f"`{self.token}`") if not self.token.strip() else f"`{self.token}`"
        if self.token.type == "_NEWLINE":
            self.span = self.before
        help = help or self.instead()
        return Diagnostic(
            code, f"unexpected {re.sub('^(the|an?) ', '', found)}", Label(self.span, self.note()), help=help
        )

    def instead(self) -> str:
        """The syntax of this language, if the token or the previous one belongs to another language."""
        before = [token for token in self.stack[-2:] if isinstance(token, Token)]
        kinds = [token.type for token in before]
        if "_FROM" in kinds:
            return "import from `std`, or from a file in the same folder: `from name import a, b`"
        if kinds[-1:] == ["_IMPORT"]:
            return "name what is imported: `from std import a, b`"
        if self.token.type == "EQUALS" and kinds and kinds[-1] in OPERATORS:
            return f"write it out: `x = x {before[-1]} y`"
        if self.token.type == "_NEWLINE" and kinds and kinds[-1] in OPERATORS:
            return CONTINUED
        words = [str(self.token), *map(str, before[-1:])]
        known = next((INSTEAD[word] for word in words if word in INSTEAD), "")
        sizes = "sizes are parameters: `network net(width=4):`"
        return known or (sizes if self.token.type == "NAME" and "BLOCK" in self.expected else "")

    def note(self) -> str:
        """The expected tokens, if they have a short description."""
        expected = set(self.expected)
        if expected >= {"NAME", "INT", "LPAR"}:
            return "expected an expression"
        if expected >= {"BLOCK", "NETWORK"}:
            return "expected a block or a network"
        names = sorted({TERMINALS.get(kind, "") for kind in expected})
        if all(names) and len(names) <= MAX_EXPECTED:
            return f"expected {' or '.join(names)}"
        return "not expected here"
