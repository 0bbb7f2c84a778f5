"""Checks the statements of a definition: returns, carries, inputs and emits, allowed and required ones."""

from __future__ import annotations

from collections.abc import Iterator

from itc.diagnostics import Diagnostic, Edit, Label
from itc.ir.types import DTYPE_BYTES
from itc_dsl import ast
from itc_dsl.checker.habits import emit_for
from itc_dsl.checker.looping import check_loop
from itc_dsl.signature import NAME_KEYWORD, listed, suggest

#: The definitions in which a statement is allowed.
HOMES: dict[type[ast.Node], tuple[str, tuple[str, ...]]] = {
    ast.Emit: ("emit", ("network",)),
    ast.Input: ("input", ("network",)),
    ast.Yield: ("yield", ("iterative",)),
    ast.Halt: ("halt", ("iterative",)),
    ast.Return: ("return", ("block", "data", "output")),
}
#: The kinds of definitions, and emits, in words.
PHRASES = {
    "block": "a `block`",
    "data": "a `data` block",
    "iterative": "an `iterative` block",
    "output": "an `output` block",
    "network": "a `network`",
    "emit": "an `emit`",
}
#: Statements allowed only directly in the body, not inside `if` or `for`.
DIRECT = (ast.Input, ast.Yield, ast.Halt)


def check_structure(definition: ast.Definition) -> Iterator[Diagnostic]:
    """Diagnostics of the statements of a definition."""
    if isinstance(definition, ast.Variant):
        return
    kind = definition.kind if isinstance(definition, ast.Block) else "network"
    yield from _params(definition, kind)
    yield from _statements(definition.body, kind, direct=True)
    match kind:
        case "network":
            yield from _network(definition)
        case "iterative":
            assert isinstance(definition, ast.Block)
            yield from _iterative(definition)
        case _:
            if not _returns(definition.body):
                message = f"`{definition.name.text}` does not end with a `return`"
                help = "a block's last statement is `return` with its result"
                yield Diagnostic("E0214", message, Label(definition.name.span, "returns nothing"), help=help)


def _params(definition: ast.Block | ast.Network, kind: str) -> Iterator[Diagnostic]:
    seen: dict[str, ast.Param] = {}
    for param in definition.params:
        name = param.name.text
        if name in seen:
            first = (Label(seen[name].span, "first here"),)
            yield Diagnostic("E0202", f"duplicate parameter `{name}`", Label(param.span, "again"), first)
        if name in (NAME_KEYWORD, "iteration"):
            message = f"a parameter cannot be named `{name}`"
            yield Diagnostic("E0202", message, Label(param.name.span, "reserved"))
        if param.role and kind != "iterative":
            message = f"only an `iterative` block has `{param.role}` parameters"
            yield Diagnostic("E0410", message, Label(param.span, f"in {PHRASES[kind]}"))
        if param.role and param.default:
            message = f"a `{param.role}` parameter has no default"
            yield Diagnostic("E0410", message, Label(param.default.span, "not possible"))
        seen.setdefault(name, param)


def _statements(suite: ast.Suite, kind: str, direct: bool) -> Iterator[Diagnostic]:
    for position, statement in enumerate(suite):
        yield from _statement(statement, kind, direct)
        if isinstance(statement, ast.Return) and position + 1 < len(suite):
            label = Label(suite[position + 1].span, "never reached")
            message = "unreachable after `return`"
            yield Diagnostic("E0214", message, label, (Label(statement.span, "returns here"),))
            return


def _statement(statement: ast.Statement, kind: str, direct: bool) -> Iterator[Diagnostic]:
    word, homes = HOMES.get(type(statement), ("", ()))
    if word and kind not in homes:
        yield _misplaced(statement, word, homes, kind)
    elif isinstance(statement, DIRECT) and not direct:
        message = f"`{word}` must be directly in the body, not inside `if` or `for`"
        yield Diagnostic("E0214", message, Label(statement.span, "inside another statement"))
    match statement:
        case ast.Evaluate():
            help = "assign the result to a name, or remove the line"
            yield Diagnostic("E0111", "this line has no effect", Label(statement.span, "unused"), help=help)
        case ast.Input():
            yield from _input(statement)
        case ast.If(body=body, otherwise=otherwise):
            yield from _statements(body, kind, direct=False)
            yield from _statements(otherwise, kind, direct=False)
        case ast.For(body=body):
            yield from _statements(body, kind, direct=False)


def _misplaced(statement: ast.Statement, word: str, homes: tuple[str, ...], kind: str) -> Diagnostic:
    help = f"`{word}` belongs in {listed([PHRASES[home] for home in homes], 'or')}"
    edit = None
    if isinstance(statement, ast.Return) and kind == "iterative":
        help = "an iterative block returns its carries; `yield` collects a value of each iteration"
    elif isinstance(statement, ast.Return):
        help, edit = emit_for(statement)
    message = f"`{word}` is not allowed in {PHRASES[kind]}"
    return Diagnostic("E0214", message, Label(statement.span, "not here"), help=help, edit=edit)


def _input(statement: ast.Input) -> Iterator[Diagnostic]:
    if statement.dtype.text not in DTYPE_BYTES:
        help, edit = suggest(statement.dtype, DTYPE_BYTES)
        help = help or f"element types are: {', '.join(DTYPE_BYTES)}"
        label = Label(statement.dtype.span, "unknown")
        yield Diagnostic("E0201", f"unknown element type `{statement.dtype.text}`", label, help=help, edit=edit)
    if statement.default and not (isinstance(statement.default, ast.Name) and statement.default.text == "zeros"):
        label, edit = Label(statement.default.span, "not zeros"), Edit(statement.default.span, "zeros")
        message = "the default of an input must be `zeros`"
        yield Diagnostic("E0304", message, label, help="write `= zeros`", edit=edit)


def _returns(suite: ast.Suite) -> bool:
    """Whether every path through a body ends with a `return`."""
    match suite[-1] if suite else None:
        case ast.Return():
            return True
        case ast.If(body=body, otherwise=otherwise):
            return _returns(body) and _returns(otherwise)
    return False


def _network(network: ast.Block | ast.Network) -> Iterator[Diagnostic]:
    if not any(isinstance(node, ast.Emit | ast.Return) for node in ast.walk(*network.body)):
        label = Label(network.name.span, "no `emit`")
        help = "end it with `emit name = ...`, or `emit head(...) at exits`"
        yield Diagnostic("E0416", f"the network `{network.name.text}` has no output", label, help=help)


def _iterative(block: ast.Block) -> Iterator[Diagnostic]:
    carries = [param for param in block.params if param.role == "carry"]
    yields = any(isinstance(statement, ast.Yield) for statement in block.body)
    if not carries and not yields:
        message = f"`{block.name.text}` has neither carries nor yields"
        help = "mark the state of the loop: `carry state`"
        yield Diagnostic("E0410", message, Label(block.name.span, "has no result"), help=help)
    yield from check_loop(block)
    assigned = set(assigned_names(block.body))
    for param in carries:
        if param.name.text not in assigned:
            yield _never_assigned(block, param)


def _never_assigned(block: ast.Block, param: ast.Param) -> Diagnostic:
    return Diagnostic(
        "E0402",
        f"the carry `{param.name.text}` is never assigned",
        Label(param.span, "the same in every iteration"),
        help=f"assign `{param.name.text}` in the body of `{block.name.text}`, or remove `{param.role}`",
        edit=Edit(param.span, param.name.text),
    )


def assigned_names(suite: ast.Suite) -> Iterator[str]:
    """The names assigned in a body, in text order, with duplicates."""
    for statement in suite:
        match statement:
            case ast.Assign(target=target):
                yield from target_names(target)
            case ast.Input(name=name):
                yield name.text
            case ast.If(body=body, otherwise=otherwise):
                yield from assigned_names(body)
                yield from assigned_names(otherwise)
            case ast.For(targets=targets, body=body):
                yield from target_names(targets)
                yield from assigned_names(body)


def target_names(target: ast.Target) -> Iterator[str]:
    if isinstance(target, ast.Ident):
        yield target.text
        return
    for item in target.items:
        yield from target_names(item)
