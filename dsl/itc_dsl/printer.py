"""Prints a syntax tree, one node per line with its children indented, for `itc show --stage ast`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from itc_dsl import ast

INDENT = "  "


def print_ast(module: ast.Module) -> str:
    """The text of a tree, ending in a newline."""
    return "\n".join(_lines(module, "", 0)) + "\n"


def _lines(node: ast.Node, label: str, depth: int) -> Iterator[str]:
    """The line of a node (its field, kind and scalar fields), then the lines of its children."""
    words = [type(node).__name__.lower(), *_words(node)]
    yield INDENT * depth + (f"{label}: " if label else "") + " ".join(words)
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, ast.Ident):
            continue
        if isinstance(value, ast.Node):
            yield from _lines(value, field.name, depth + 1)
        elif isinstance(value, tuple) and value and not isinstance(value[0], ast.Ident):
            yield from _part(field.name, value, depth + 1)


def _part(name: str, nodes: tuple[ast.Node, ...], depth: int) -> Iterator[str]:
    yield f"{INDENT * depth}{name}:"
    for node in nodes:
        yield from _lines(node, "", depth + 1)


def _words(node: ast.Node) -> Iterator[str]:
    """The text of a scalar field, on the line of its node."""
    match node:
        case ast.Number(value=value):
            yield repr(value)
        case ast.Text(value=value):
            yield f'"{value}"'
        case ast.Constant(value=value):
            yield {True: "true", False: "false", None: "none"}[value]
        case _:
            yield from _names(node)


def _names(node: ast.Node) -> Iterator[str]:
    for field in fields(node):
        value = getattr(node, field.name)
        match value:
            case ast.Ident(text=text):
                yield text
            case (ast.Ident(), *_):
                yield "(" + ", ".join(_target(item) for item in value) + ")"
            case str() if value:
                yield value
            case int():
                yield str(value)


def _target(target: ast.Target) -> str:
    if isinstance(target, ast.Ident):
        return target.text
    return "(" + ", ".join(map(_target, target.items)) + ")"
