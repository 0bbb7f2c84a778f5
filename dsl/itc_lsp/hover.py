"""What the editor shows of the text under the cursor: its value or shape, costs, signature and documentation."""

from __future__ import annotations

from inspect import getdoc

from lsprotocol import types

from itc.ir.op import LAYERS
from itc.source import Span
from itc_dsl import ast
from itc_dsl.documentation import documentation
from itc_dsl.lowering.scope import MAX_TRACED
from itc_dsl.signature import BUILTINS, of_block, of_operation
from itc_lsp.analysis import Analysis
from itc_lsp.figures import executed, figures, of_net
from itc_lsp.positions import offset, position, range_of
from itc_lsp.symbols import extent, name_at, symbol_of, targets

MARKDOWN = set("\\`*_{}[]<>()#+-.!|~&")


def hover(analysis: Analysis, at: types.Position) -> types.Hover | None:
    """The text for the name or call under the cursor, if there is anything to say."""
    name = name_at(analysis, offset(analysis.source, at))
    if name is None:
        return None
    call = _call_of(analysis, name)
    parts = [_signature(analysis, name), _value(analysis, name, call), _costs(analysis, call or name)]
    text = "\n\n".join(part for part in parts if part)
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), range_of(name.span)) if text else None


def _call_of(analysis: Analysis, name: ast.Ident | ast.Name) -> ast.Call | None:
    """The call whose callee is the name."""
    nodes = ast.walk(analysis.tree) if analysis.tree else ()
    return next((node for node in nodes if isinstance(node, ast.Call) and node.callee is name), None)


def _value(analysis: Analysis, name: ast.Ident | ast.Name, call: ast.Call | None) -> str:
    """The values of a variable where it stands, or of a call."""
    found = analysis.trace.values.get(call or name) or []
    if call is not None and not found:
        found = _results(analysis, call.span)
    return f"`{name.text}`: {' or '.join(found)}" if found else ""


def _results(analysis: Analysis, span: Span) -> list[str]:
    """The types of the operation that a stage of a pipe stands for."""
    applies = (apply for net in analysis.nets for apply, _ in executed(net))
    return [*dict.fromkeys(str(apply.results[0].type) for apply in applies if apply.span == span)][:MAX_TRACED]


def _costs(analysis: Analysis, node: ast.Node) -> str:
    """MACs and parameters of a call, or of the definition whose name it is."""
    found = None
    if isinstance(node, ast.Call):
        found = figures(analysis, node.span)
    elif isinstance(node, ast.Ident) and (definition := _definition(analysis, node)) and definition.name is node:
        own = [net for net in analysis.nets if net.name == node.text]
        found = of_net(own[0]) if own else figures(analysis, extent(definition))
    if found is None:
        return ""
    return f"{found.macs:,} MACs, {found.params:,} parameters in {found.operations:,} operations"


def _definition(analysis: Analysis, name: ast.Ident | ast.Name) -> ast.Definition | None:
    """The block or network that a name stands for."""
    symbol = symbol_of(analysis, name)
    if symbol is None or symbol.owner is not None or analysis.unit is None:
        return None
    return analysis.unit.names[symbol.name].definition


def _signature(analysis: Analysis, name: ast.Ident | ast.Name) -> str:
    """The signature and documentation of a block, a network, an operation or a function."""
    definition = _definition(analysis, name)
    if definition is not None:
        return _documented(_head(definition), documentation(definition))
    if symbol_of(analysis, name) is not None:
        return ""
    if name.text in LAYERS:
        return _documented(f"{name.text}({of_operation(name.text)})", getdoc(LAYERS[name.text]) or "")
    return _documented(f"{name.text}(...)", "A function of values that are known when the spec is compiled.") * (
        name.text in BUILTINS
    )


def _head(definition: ast.Definition) -> str:
    """The first line of a definition, with its parameters."""
    if isinstance(definition, ast.Block):
        return f"{definition.kind} {definition.name.text}({of_block(definition)})"
    if isinstance(definition, ast.Variant):
        return f"network {definition.name.text} = {definition.base.text}(...)"
    return f"network {definition.name.text}({', '.join(param.name.text for param in definition.params)})"


def _documented(head: str, text: str) -> str:
    """A line of code and a paragraph. Text of a spec is shown as text: Markdown has no meaning in it."""
    plain = "".join(f"\\{character}" if character in MARKDOWN else character for character in text)
    return f"```itn\n{head}\n```" + (f"\n{plain}" if plain else "")


def hints(analysis: Analysis, within: types.Range) -> list[types.InlayHint]:
    """The shape of every variable behind its name, where it is assigned in a range of lines."""
    shown: list[types.InlayHint] = []
    for ident in targets(*analysis.tree.definitions) if analysis.tree else ():
        found = [text for text in analysis.trace.values.get(ident, ()) if "[" in text]
        at = position(analysis.source, ident.span.end)
        if found and within.start.line <= at.line <= within.end.line:
            shown.append(types.InlayHint(at, f": {' | '.join(found)}", types.InlayHintKind.Type))
    return shown
