"""Checks annotations: known, valid, not repeated, and at a definition where they have an effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from itc.diagnostics import CompileError, Diagnostic, Label
from itc_dsl import ast
from itc_dsl.checker.looping import PLACES
from itc_dsl.checker.structure import PHRASES
from itc_dsl.published import KINDS, published
from itc_dsl.sharing import halting_of, loop_of, sharing_of
from itc_dsl.signature import listed, suggest


def check_annotations(definition: ast.Definition) -> Iterator[Diagnostic]:
    """Diagnostics of the annotations of a definition and its emits."""
    place = definition.kind if isinstance(definition, ast.Block) else "network"
    yield from _annotations(definition.annotations, place)
    for node in ast.walk(*definition.body) if not isinstance(definition, ast.Variant) else ():
        if isinstance(node, ast.Emit):
            yield from _annotations(node.annotations, "emit")
    if isinstance(definition, ast.Block):
        yield from _understood(lambda: sharing_of(definition))
        yield from _understood(lambda: loop_of(definition))
        yield from _understood(lambda: halting_of(definition))
        yield from _calls_on_blocks(definition)
    else:
        yield from _understood(lambda: published(definition))


def _understood(read: Callable[[], object]) -> tuple[Diagnostic, ...]:
    try:
        read()
    except CompileError as error:
        return error.diagnostics
    return ()


def _annotations(written: tuple[ast.Annotation, ...], place: str) -> Iterator[Diagnostic]:
    seen: dict[str, ast.Annotation] = {}
    for annotation in written:
        name = annotation.name
        if name.text not in PLACES:
            help, edit = suggest(name, PLACES)
            help = help or f"annotations are: {', '.join('@' + known for known in PLACES)}"
            label = Label(name.span, "unknown")
            yield Diagnostic("E0215", f"unknown annotation `@{name.text}`", label, help=help, edit=edit)
        elif place not in PLACES[name.text]:
            yield _unused(annotation, place)
        elif name.text in seen and name.text not in KINDS:
            first = (Label(seen[name.text].span, "first here"),)
            yield Diagnostic("E0216", f"`@{name.text}` is repeated", Label(annotation.span, "again"), first)
        seen.setdefault(name.text, annotation)
        yield from _given_twice(annotation)


def _given_twice(annotation: ast.Annotation) -> Iterator[Diagnostic]:
    """A diagnostic (E0210) for each duplicate argument."""
    seen: dict[str, ast.Argument] = {}
    for argument in annotation.arguments:
        first = seen.setdefault(argument.name.text, argument) if argument.name else argument
        if first is not argument and argument.name:
            message = f"`{argument.name.text}` is given twice"
            labels = Label(argument.span, "again here"), (Label(first.span, "first here"),)
            yield Diagnostic("E0210", message, *labels, "remove one of them")


def _unused(annotation: ast.Annotation, place: str) -> Diagnostic:
    name = annotation.name.text
    wanted = listed([PHRASES[p] for p in PLACES[name]], "or")
    return Diagnostic(
        "E0216",
        f"`@{name}` has no effect on {PHRASES[place]}",
        Label(annotation.span, "without effect"),
        help=f"write it above {wanted}",
    )


def _calls_on_blocks(block: ast.Block) -> Iterator[Diagnostic]:
    """`@share(calls)` applies to plain blocks only, the other modes to the other blocks."""
    annotation = next((a for a in block.annotations if a.name.text == "share"), None)
    if annotation is None or block.kind == "data" or _understood(lambda: sharing_of(block)):
        return
    if (block.kind == "block") != (sharing_of(block).mode == "calls"):
        help = "`calls` on a `block`; `all`, `none` or `every=k` on an `iterative` or `output` block"
        message = f"this mode of `@share` does not apply to {PHRASES[block.kind]}"
        yield Diagnostic("E0217", message, Label(annotation.span, "without effect"), help=help)
