"""Checks that an iterative block says how often it runs, and, if it halts, by what score and in what way."""

from __future__ import annotations

from collections.abc import Iterator

from itc.diagnostics import CompileError, Diagnostic, Edit, Label
from itc_dsl import ast
from itc_dsl.sharing import HALTS, loop_of

#: Where each annotation has an effect.
PLACES = {
    "loop": ("iterative",),
    "share": ("iterative", "output", "block"),
    "halt": ("iterative",),
    "loss": ("emit",),
    "published": ("network",),
    "counted": ("network",),
}


def check_loop(block: ast.Block) -> Iterator[Diagnostic]:
    """What is wrong with `@loop`, `@halt` and the `halt` of an iterative block (E0409, E0413, E0421)."""
    if any(annotation.name.text not in PLACES for annotation in block.annotations):
        return
    annotation = next((a for a in block.annotations if a.name.text == "halt"), None)
    scores = [statement for statement in block.body if isinstance(statement, ast.Halt)]
    if annotation is None and not scores:
        yield from _fixed(block)
        return
    yield from _halted(block, annotation, scores)
    yield from _bounded(block)
    yield from _collects(block)


def _fixed(block: ast.Block) -> Iterator[Diagnostic]:
    """A loop that does not halt has `@loop(times)`, or the length of what it goes through."""
    annotated = _annotation(block, "loop")
    if annotated is None:
        if not any(param.role == "each" for param in block.params):
            label = Label(block.name.span, "how many iterations?")
            help = "write `@loop(times)` above it, `times` being one of its parameters"
            yield Diagnostic("E0409", f"`{block.name.text}` does not say how often it runs", label, help=help)
        return
    count = _count(block)
    if count is not None and annotated.arguments[0].name:
        yield Diagnostic(
            "E0409",
            "`max=` is for a loop that halts, this one runs all its iterations",
            Label(annotated.arguments[0].span, "without `@halt`"),
            help=f"write `@loop({count.span.text})`",
            edit=Edit(annotated.arguments[0].span, count.span.text),
        )


def _halted(block: ast.Block, annotation: ast.Annotation | None, scores: list[ast.Halt]) -> Iterator[Diagnostic]:
    """A loop that halts has one `@halt` and one `halt`."""
    name = block.name.text
    if annotation is None:
        message = f"`{name}` has a score to halt by, and does not say how"
        yield Diagnostic("E0413", message, Label(scores[0].span, "without `@halt`"), help=f"write above it {HALTS}")
    elif not scores:
        message = f"`{name}` does not say by what score it halts"
        nested = any(isinstance(node, ast.Halt) for node in ast.walk(*block.body))
        help = "end its body in `halt score`, for example `halt global_pool(x) |> linear(1) |> sigmoid`"
        if not nested:
            yield Diagnostic("E0413", message, Label(annotation.span, "without `halt`"), help=help)
    for again in scores[1:]:
        message = "a loop halts by one score"
        yield Diagnostic("E0413", message, Label(again.span, "again"), (Label(scores[0].span, "first here"),))


def _bounded(block: ast.Block) -> Iterator[Diagnostic]:
    """A loop that halts has `@loop(max=n)`."""
    annotated = _annotation(block, "loop")
    if annotated is None:
        label = Label(block.name.span, "how many iterations at most?")
        help = "write `@loop(max=n)` above it, `n` being one of its parameters"
        yield Diagnostic("E0413", f"`{block.name.text}` does not say where it ends at the latest", label, help=help)
        return
    count = _count(block)
    if count is not None and not annotated.arguments[0].name:
        argument = annotated.arguments[0]
        edit = Edit(argument.span, f"max={count.span.text}")
        message = "a loop that halts runs so many iterations at most"
        help = f"write `@loop(max={count.span.text})`"
        yield Diagnostic("E0413", message, Label(argument.span, "not always so many"), help=help, edit=edit)


def _collects(block: ast.Block) -> Iterator[Diagnostic]:
    for statement in block.body:
        if isinstance(statement, ast.Yield):
            message = "a loop that halts cannot `yield`: images end in different iterations"
            help = "carry the value instead: it leaves as it is in the image's last iteration"
            yield Diagnostic("E0421", message, Label(statement.span, "of which iterations?"), help=help)
    for param in block.params:
        if param.role == "each":
            message = "a loop that halts goes through nothing with `each`"
            yield Diagnostic("E0421", message, Label(param.span, "has a length of its own"))


def _annotation(block: ast.Block, name: str) -> ast.Annotation | None:
    return next((a for a in block.annotations if a.name.text == name), None)


def _count(block: ast.Block) -> ast.Expr | None:
    """The number of iterations as it is written, if that is understood."""
    try:
        count = loop_of(block)
    except CompileError:
        return None  # reported with the annotations
    return count.count if count else None
