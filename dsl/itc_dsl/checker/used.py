"""Checks that imports, and parameters and inputs of networks, are used.

A block may have unused parameters, so that blocks are interchangeable.
"""

from __future__ import annotations

from collections.abc import Iterator

from itc.diagnostics import Diagnostic, Label
from itc_dsl import ast


def check_used(module: ast.Module) -> Iterator[Diagnostic]:
    """E0218 for each unused import of the file, and each unused parameter and input of its networks."""
    yield from _imports(module)
    for definition in module.definitions:
        if isinstance(definition, ast.Network):
            yield from _network(definition)


def _imports(module: ast.Module) -> Iterator[Diagnostic]:
    used = _read(*module.definitions)
    for imported in module.imports:
        for name in imported.names:
            if name.text not in used:
                help = f"remove `{name.text}` from the import"
                yield _unread(name, f"`{name.text}` is imported and never used", help)


def _network(network: ast.Network) -> Iterator[Diagnostic]:
    defaults = [param.default for param in network.params if param.default]
    used = _read(*network.body, *defaults)
    for param in network.params:
        if param.name.text not in used:
            message = f"`{network.name.text}` never reads its parameter `{param.name.text}`"
            yield _unread(param.name, message, f"remove `{param.name.text}`, or use it: setting it has no effect")
    for statement in network.body:
        if isinstance(statement, ast.Input) and statement.name.text not in used:
            message = f"`{network.name.text}` never reads its input `{statement.name.text}`"
            yield _unread(statement.name, message, "remove the line")


def _read(*roots: ast.Node) -> set[str]:
    """The names that are read, called, or bases of variants."""
    nodes = list(ast.walk(*roots))
    names = {node.text for node in nodes if isinstance(node, ast.Name)}
    names |= {node.callee.text for node in nodes if isinstance(node, ast.Call)}
    return names | {node.base.text for node in nodes if isinstance(node, ast.Variant)}


def _unread(name: ast.Ident, message: str, help: str) -> Diagnostic:
    return Diagnostic("E0218", message, Label(name.span, "never read"), help=help)
