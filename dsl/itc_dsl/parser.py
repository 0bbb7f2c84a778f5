"""Parses a spec into a syntax tree with Lark; syntax errors are diagnostics (E01xx)."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedInput
from lark.grammar import Rule

from itc.diagnostics import CompileError, Diagnostic, Edit, Label
from itc.source import Source
from itc_dsl import ast, grammar_tables
from itc_dsl.layout import LayoutError
from itc_dsl.syntax import explain
from itc_dsl.tree import TreeReader

MAX_CHARACTERS = 2_000_000
MAX_DEPTH = 100
MAX_SYNTAX_ERRORS = 10
MAX_NAME = 255
SETTING = "a setting is `name=value`"

#: Control characters, surrogates, bidirectional marks, and line separators that only some editors recognise.
CONTROL = re.compile(
    r"[^\t\r\n\x20-\x7e\x80-\U0010ffff]|[\x7f-\x9f\ufffd\ud800-\udfff\u2028-\u202e\u2066-\u2069]|\r(?!\n)"
)
INDENTATION = re.compile(r"^[ \t]+(?=[^ \t\r\n#])", re.MULTILINE)
DEFINITION = re.compile(r"^(?:@|(?:from|block|data|iterative|output|network)\b)", re.MULTILINE)


@lru_cache(maxsize=1)
def lark() -> Lark:
    """The parser, made once; it keeps no state between texts."""
    parser = grammar_tables.parser()
    _without_chains(parser._callbacks)
    return parser


def _without_chains(callbacks: dict[Rule, Callable[[list[Any]], Any]]) -> None:
    """Rules that only hand on their one symbol (`?sum: product`) do just that.

    Lark would set the position of what they hand on again, to the same: a name goes through eleven of them, which takes
    a third of the parsing.
    """
    for rule in callbacks:
        if rule.options.expand1 and not rule.alias and len(rule.expansion) == 1:
            callbacks[rule] = itemgetter(0)


def parse(source: Source) -> ast.Module:
    """The syntax tree of a file. Raises CompileError with all independent syntax errors (E01xx)."""
    _text_faults(source)
    with _uncollected():
        module = _read(source)
    _check_nodes(module)
    if not module.definitions:
        raise CompileError([_empty(source)])
    return module


@contextmanager
def _uncollected() -> Iterator[None]:
    """Disables garbage collection: the tree only grows, and repeated scans would take quadratic time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(source: Source) -> ast.Module:
    faults: list[Diagnostic] = []
    module = _module(source, source.text, faults)
    while faults and module is None and len(faults) < MAX_SYNTAX_ERRORS:
        rest = _after(source.text, faults[-1])
        if rest is None:
            break
        module = _module(source, rest, faults)
    if faults or module is None:
        raise CompileError(faults)
    return module


def parse_override(source: Source) -> ast.Override:
    """The tree of one setting, `name=value` or `block.annotation=value`, of literals only (E0112)."""
    _text_faults(source)
    try:
        tree = lark().parse(source.text, start="setting")
    except (UnexpectedInput, LayoutError) as error:
        raise CompileError([_list_without_brackets(source) or explain(source, error, "E0112", SETTING)]) from None
    reader = TreeReader(source)
    override: ast.Override = reader.transform(tree)
    if reader.faults:
        raise CompileError(reader.faults)
    return override


def _list_without_brackets(source: Source) -> Diagnostic | None:
    """The diagnostic of `exits=1,2,4`."""
    name, equals, values = source.text.partition("=")
    if not equals or "," not in values or any(bracket in values for bracket in "[]()'\""):
        return None
    span = source.span(len(name) + 1, len(source.text))
    help = f"write `{name}=[{values.strip().strip(',')}]`" if len(values) <= MAX_NAME else "write it in brackets"
    edit = Edit(span, f"[{values.strip().strip(',')}]")
    return Diagnostic("E0112", "a list stands in brackets", Label(span, "several values"), help=help, edit=edit)


def _module(source: Source, text: str, faults: list[Diagnostic]) -> ast.Module | None:
    """The tree of a text; on a syntax error None, with a diagnostic added."""
    try:
        tree = lark().parse(text + "\n", start="start")
    except (UnexpectedInput, LayoutError) as error:
        faults.append(explain(source, error))
        return None
    reader = TreeReader(source)
    module: ast.Module = reader.transform(tree)
    faults.extend(reader.faults)
    return module


def _after(text: str, fault: Diagnostic) -> str | None:
    """The text with blanks from an error up to the next definition; offsets stay."""
    assert fault.primary
    following = DEFINITION.search(text, text.find("\n", fault.primary.span.start))
    if following is None or text.find("\n", fault.primary.span.start) < 0:
        return None
    return re.sub(r"[^\n]", " ", text[: following.start()]) + text[following.start() :]


def _text_faults(source: Source) -> None:
    """Rejects texts that cannot be specs, before parsing."""
    if len(source.text) > MAX_CHARACTERS:
        message = f"the file has {len(source.text)} characters, the limit is {MAX_CHARACTERS}"
        raise CompileError([Diagnostic("E0108", message, Label(source.span(0, 0)))])
    control = CONTROL.search(source.text)
    if control:
        message = f"the file is not text: it contains the character U+{ord(control[0]):04X}"
        raise CompileError([Diagnostic("E0105", message, Label(source.span(control.start(), control.end()), "here"))])
    faults = list(islice(_mixed_indentation(source), MAX_SYNTAX_ERRORS))
    if faults:
        raise CompileError(faults)


def _mixed_indentation(source: Source) -> Iterator[Diagnostic]:
    """A diagnostic for each line whose indentation character differs from that of the first indented line."""
    first: str | None = None
    for match in INDENTATION.finditer(source.text):
        first = first or match[0][0]
        if set(match[0]) == {first}:
            continue
        span = source.span(match.start(), match.end())
        wanted, other = ("spaces", "tabs") if first == " " else ("tabs", "spaces")
        edit = match[0].expandtabs(4) if first == " " else re.sub(" {1,4}", "\t", match[0])
        yield Diagnostic(
            "E0104",
            "tabs and spaces are mixed",
            Label(span, f"{other} here, {wanted} in the lines above"),
            help=f"indent with {wanted} throughout",
            edit=Edit(span, edit),
        )


def _check_nodes(module: ast.Module) -> None:
    """Raises CompileError for too deep nesting (E0107) and too long names (E0113), without recursion."""
    stack: list[tuple[ast.Node, int]] = [(definition, 1) for definition in module.definitions]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH}"
            help = "assign a part of it to a name on its own line"
            raise CompileError([Diagnostic("E0107", message, Label(node.span, "this deep"), help=help)])
        if isinstance(node, ast.Ident | ast.Name) and len(node.text) > MAX_NAME:
            message = f"a name has at most {MAX_NAME} characters, this has {len(node.text)}"
            raise CompileError([Diagnostic("E0113", message, Label(node.span, "too long"), help="shorten it")])
        stack.extend((child, depth + 1) for child in ast.children(node))


def _empty(source: Source) -> Diagnostic:
    return Diagnostic(
        "E0106",
        "the file defines nothing",
        Label(source.span(0, 0), "a network is expected"),
        help="a spec has at least one `network`, with an `input` and an `emit`",
    )
