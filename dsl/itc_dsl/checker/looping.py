"""Checks that an iterative block has a number of iterations, and, if it halts, a score and a stopping rule."""

from __future__ import annotations

from collections.abc import Iterator

from itc.diagnostics import CompileError, Diagnostic, Edit, Label
from itc_dsl import ast
from itc_dsl.sharing import HALTS, loop_of

#: The definitions where each annotation has an effect.
PLACES = {
    "loop": ("iterative",),
    "share": ("iterative", "output", "block"),
    "halt": ("iterative",),
    "loss": ("emit",),
    "published": ("network",),
    "counted": ("network",),
}


def check_loop(block: ast.Block) -> Iterator[Diagnostic]:
    """Diagnostics of `@loop`, `@halt` and `halt` of an iterative block (E0409, E0413, E0421)."""
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
    """A loop that does not halt has `@loop(times)`, or the length of its `each` arguments."""
    annotated = _annotation(block, "loop")
    if annotated is None:
        if not any(param.role == "each" for param in block.params):
            label = Label(block.name.span, "how many iterations?")
            help = "write `@loop(times)` above it, where `times` is a parameter"
            yield Diagnostic("E0409", f"`{block.name.text}` has no number of iterations", label, help=help)
        return
    count = _count(block)
    if count is not None and annotated.arguments[0].name:
        yield Diagnostic(
            "E0409",
            "`max=` is for loops that halt; this loop runs all its iterations",
            Label(annotated.arguments[0].span, "without `@halt`"),
            help=f"write `@loop({count.span.text})`",
            edit=Edit(annotated.arguments[0].span, count.span.text),
        )


def _halted(block: ast.Block, annotation: ast.Annotation | None, scores: list[ast.Halt]) -> Iterator[Diagnostic]:
    """A loop that halts has one `@halt` and one `halt`."""
    name = block.name.text
    if annotation is None:
        message = f"`{name}` has a halting score, but no stopping rule"
        yield Diagnostic("E0413", message, Label(scores[0].span, "without `@halt`"), help=f"write above it {HALTS}")
    elif not scores:
        message = f"`{name}` has a stopping rule, but no halting score"
        nested = any(isinstance(node, ast.Halt) for node in ast.walk(*block.body))
        help = "end its body with `halt score`, for example `halt global_pool(x) |> linear(1) |> sigmoid`"
        if not nested:
            yield Diagnostic("E0413", message, Label(annotation.span, "without `halt`"), help=help)
    for again in scores[1:]:
        message = "a loop has at most one halting score"
        yield Diagnostic("E0413", message, Label(again.span, "again"), (Label(scores[0].span, "first here"),))


def _bounded(block: ast.Block) -> Iterator[Diagnostic]:
    """A loop that halts has `@loop(max=n)`."""
    annotated = _annotation(block, "loop")
    if annotated is None:
        label = Label(block.name.span, "how many iterations at most?")
        help = "write `@loop(max=n)` above it, where `n` is a parameter"
        yield Diagnostic("E0413", f"`{block.name.text}` has no maximum number of iterations", label, help=help)
        return
    count = _count(block)
    if count is not None and not annotated.arguments[0].name:
        argument = annotated.arguments[0]
        edit = Edit(argument.span, f"max={count.span.text}")
        message = "the number of iterations of a loop that halts is a maximum"
        help = f"write `@loop(max={count.span.text})`"
        yield Diagnostic("E0413", message, Label(argument.span, "not exact"), help=help, edit=edit)


def _collects(block: ast.Block) -> Iterator[Diagnostic]:
    for statement in block.body:
        if isinstance(statement, ast.Yield):
            message = "a loop that halts cannot `yield`: images end in different iterations"
            help = "make it a carry: the result is its value in the image's last iteration"
            yield Diagnostic("E0421", message, Label(statement.span, "of which iterations?"), help=help)
    for param in block.params:
        if param.role == "each":
            message = "a loop that halts cannot have `each` parameters"
            yield Diagnostic("E0421", message, Label(param.span, "has a fixed length"))


def _annotation(block: ast.Block, name: str) -> ast.Annotation | None:
    return next((a for a in block.annotations if a.name.text == name), None)


def _count(block: ast.Block) -> ast.Expr | None:
    """The expression of the number of iterations, if valid."""
    try:
        count = loop_of(block)
    except CompileError:
        return None  # reported by `annotations`
    return count.count if count else None
