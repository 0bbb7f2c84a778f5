"""Checks that what a file takes from outside is read: imports, and the parameters and inputs of networks.

A block may have parameters that it does not read, as others of the same form may stand in its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from itc.diagnostics import Diagnostic, Label
from itc_dsl import ast


def check_used(module: ast.Module) -> Iterator[Diagnostic]:
    """E0218 for each import that the file does not use, and each parameter and input that its network does not."""
    yield from _imports(module)
    for definition in module.definitions:
        if isinstance(definition, ast.Network):
            yield from _network(definition)


def _imports(module: ast.Module) -> Iterator[Diagnostic]:
    used = _read(*module.definitions)
    for imported in module.imports:
        for name in imported.names:
            if name.text not in used:
                help = f"take `{name.text}` out of the import"
                yield _unread(name, f"`{name.text}` is imported and never used", help)


def _network(network: ast.Network) -> Iterator[Diagnostic]:
    defaults = [param.default for param in network.params if param.default]
    used = _read(*network.body, *defaults)
    for param in network.params:
        if param.name.text not in used:
            message = f"`{network.name.text}` never reads its parameter `{param.name.text}`"
            yield _unread(param.name, message, f"take `{param.name.text}` out, or use it: setting it changes nothing")
    for statement in network.body:
        if isinstance(statement, ast.Input) and statement.name.text not in used:
            message = f"`{network.name.text}` never reads its input `{statement.name.text}`"
            yield _unread(statement.name, message, "take the line out")


def _read(*roots: ast.Node) -> set[str]:
    """The names that are read, called or varied."""
    nodes = list(ast.walk(*roots))
    names = {node.text for node in nodes if isinstance(node, ast.Name)}
    names |= {node.callee.text for node in nodes if isinstance(node, ast.Call)}
    return names | {node.base.text for node in nodes if isinstance(node, ast.Variant)}


def _unread(name: ast.Ident, message: str, help: str) -> Diagnostic:
    return Diagnostic("E0218", message, Label(name.span, "never read"), help=help)
