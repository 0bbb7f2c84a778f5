"""Names of a spec: the definition that a name refers to, and every place that refers to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from itc.source import Span
from itc_dsl import ast
from itc_dsl.program import Defined
from itc_lsp.analysis import Analysis

Named = ast.Ident | ast.Name


@dataclass(frozen=True, eq=False)
class Symbol:
    """A variable of `owner`, or a block or network (`owner` is None); `declared` are the spans that define it."""

    name: str
    owner: ast.Definition | None
    declared: tuple[Span, ...]


def name_at(analysis: Analysis, offset: int) -> Named | None:
    """The name under the cursor, or directly before it."""
    if analysis.tree is None:
        return None
    names = (node for node in ast.walk(analysis.tree) if isinstance(node, Named))
    touching = [name for name in names if name.span.start <= offset <= name.span.end]
    return touching[-1] if touching else None


def owner_at(analysis: Analysis, offset: int) -> ast.Definition | None:
    """The definition around an offset: the last that starts before it. The span of a definition is its first line."""
    definitions = analysis.tree.definitions if analysis.tree else ()
    before = [definition for definition in definitions if first(definition) <= offset]
    return before[-1] if before else None


def first(definition: ast.Definition) -> int:
    """The offset at which a definition starts, with its annotations."""
    return min(node.span.start for node in (definition, *definition.annotations))


def extent(definition: ast.Definition) -> Span:
    """The text of a definition, with its annotations and body."""
    last = max(node.span.end for node in ast.walk(definition))
    return definition.span.source.span(first(definition), last)


def symbol_at(analysis: Analysis, offset: int) -> Symbol | None:
    """What the name under the cursor refers to; None for operations and words of arguments."""
    name = name_at(analysis, offset)
    return symbol_of(analysis, name) if name else None


def symbol_of(analysis: Analysis, name: Named) -> Symbol | None:
    """What a name of the file refers to."""
    if name in _keywords(analysis):
        return _keywords(analysis)[name]
    owner = owner_at(analysis, name.span.start)
    if owner is not None and name is not owner.name and (declared := _declared(owner, name.text)):
        return Symbol(name.text, owner, declared)
    return _global(analysis, name.text)


def _global(analysis: Analysis, text: str) -> Symbol | None:
    defined = analysis.unit.names.get(text) if analysis.unit else None
    return Symbol(text, None, (defined.definition.name.span,)) if defined else None


@lru_cache(maxsize=1024)
def _declared(owner: ast.Definition, text: str) -> tuple[Span, ...]:
    """The parameters, inputs and targets called `text` in a definition."""
    if isinstance(owner, ast.Variant):
        return ()
    params = [param.name for param in owner.params]
    return tuple(ident.span for ident in (*params, *targets(*owner.body)) if ident.text == text)


def targets(*roots: ast.Node) -> Iterator[ast.Ident]:
    """The names that statements and comprehensions bind."""
    for node in ast.walk(*roots):
        match node:
            case ast.Assign(target=target):
                yield from _idents(target)
            case ast.For(targets=target) | ast.Clause(targets=target):
                yield from _idents(target)
            case ast.Input(name=name):
                yield name


def _idents(target: ast.Target) -> Iterator[ast.Ident]:
    if isinstance(target, ast.Ident):
        yield target
        return
    for item in target.items:
        yield from _idents(item)


def _calls(analysis: Analysis) -> Iterator[tuple[ast.Call, Defined]]:
    """The calls of blocks in the file."""
    if analysis.tree is None or analysis.unit is None:
        return
    for node in ast.walk(analysis.tree):
        if isinstance(node, ast.Call) and node.callee.text in analysis.unit.names:
            yield node, analysis.unit.names[node.callee.text]


@lru_cache(maxsize=8)
def _keywords(analysis: Analysis) -> dict[Named, Symbol | None]:
    """The parameters that names of arguments, and of overrides of variants, refer to."""
    out: dict[Named, Symbol | None] = {}
    for call, defined in _calls(analysis):
        for argument in call.arguments:
            if argument.name is not None:
                out[argument.name] = _parameter(defined.definition, argument.name.text)
    for definition in analysis.tree.definitions if analysis.tree else ():
        if isinstance(definition, ast.Variant) and (base := _base(analysis, definition)):
            paths = (override.path for override in definition.overrides)
            out |= {path[0]: _parameter(base, path[0].text) for path in paths if len(path) == 1}
    return out


def _base(analysis: Analysis, variant: ast.Variant) -> ast.Definition | None:
    """The network that a variant, of variants perhaps, is made of."""
    own = analysis.unit.own if analysis.unit else {}
    definition: ast.Definition | None = variant
    for _ in own:
        if not isinstance(definition, ast.Variant):
            return definition
        definition = own.get(definition.base.text)
    return None


def _parameter(owner: ast.Definition, text: str) -> Symbol | None:
    if isinstance(owner, ast.Variant):
        return None
    spans = tuple(param.name.span for param in owner.params if param.name.text == text)
    return Symbol(text, owner, spans) if spans else None


def references(analysis: Analysis, symbol: Symbol) -> list[Span]:
    """Every place in the file that names a symbol, its definition included, in text order."""
    tree = analysis.tree
    assert tree is not None
    spans = {span for span in symbol.declared if span.source is analysis.source}
    for name in (node for node in ast.walk(tree) if isinstance(node, Named) and node.text == symbol.name):
        found = symbol_of(analysis, name)
        if found is not None and (found.owner, found.declared) == (symbol.owner, symbol.declared):
            spans.add(name.span)
    return sorted(spans, key=lambda span: span.start)
