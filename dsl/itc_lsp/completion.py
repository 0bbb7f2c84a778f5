"""Names that may stand at the cursor: variables, blocks, operations, functions, keywords; `std` in imports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import getdoc

from lsprotocol.types import CompletionItem, CompletionItemKind, Position

from itc.ir.op import LAYERS
from itc_dsl import ast
from itc_dsl.documentation import documentation
from itc_dsl.program import std_names
from itc_dsl.signature import BUILTINS, of_block, of_operation
from itc_lsp.analysis import Analysis
from itc_lsp.positions import offset
from itc_lsp.symbols import owner_at, targets
from itc_lsp.words import ANNOTATIONS, KEYWORDS

IMPORT = re.compile(r"from\s+std\s+import\s[\w\s,]*$")
ANNOTATION = re.compile(r"^\s*@\w*$")


def complete(analysis: Analysis, last: Analysis, at: Position) -> list[CompletionItem]:
    """The names for the cursor in the current text; `last` is the latest version of it that could be parsed."""
    end = offset(analysis.source, at)
    line = analysis.source.text[analysis.source.text.rfind("\n", 0, end) + 1 : end]
    if IMPORT.search(line):
        return [CompletionItem(name, kind=CompletionItemKind.Module) for name in std_names()]
    if ANNOTATION.match(line):
        return [CompletionItem(name, kind=CompletionItemKind.Property) for name in ANNOTATIONS]
    items = [*_variables(last, end), *_blocks(last), *_operations(), *_words()]
    return [*{item.label: item for item in reversed(items)}.values()][::-1]


def _variables(analysis: Analysis, end: int) -> Iterator[CompletionItem]:
    """Parameters and targets of the definition around the cursor."""
    owner = owner_at(analysis, min(end, len(analysis.source.text)))
    if owner is None or isinstance(owner, ast.Variant):
        return
    for ident in (*(param.name for param in owner.params), *targets(*owner.body)):
        shapes = analysis.trace.values.get(ident)
        yield CompletionItem(
            ident.text, kind=CompletionItemKind.Variable, detail=" | ".join(shapes) if shapes else None
        )


def _blocks(analysis: Analysis) -> Iterator[CompletionItem]:
    for name, defined in analysis.unit.names.items() if analysis.unit else ():
        block = defined.definition
        if isinstance(block, ast.Block):
            detail, text = f"{name}({of_block(block)})", documentation(block) or None
            yield CompletionItem(name, kind=CompletionItemKind.Function, detail=detail, documentation=text)


def _operations() -> Iterator[CompletionItem]:
    for name, function in LAYERS.items():
        detail = f"{name}({of_operation(name)})"
        yield CompletionItem(name, kind=CompletionItemKind.Operator, detail=detail, documentation=getdoc(function))


def _words() -> Iterator[CompletionItem]:
    yield from (CompletionItem(name, kind=CompletionItemKind.Function) for name in BUILTINS)
    yield from (CompletionItem(word, kind=CompletionItemKind.Keyword) for word in KEYWORDS)
