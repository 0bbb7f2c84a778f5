"""Evaluates the `at` of an emit to a set of iterations of the loop."""

from __future__ import annotations

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir import IterationSet
from itc_dsl import ast
from itc_dsl.lowering.scope import OpenLoop, Scope
from itc_dsl.lowering.values import Items, describe
from itc_dsl.signature import listed

#: Maximum number of exits; each is an output with its own figures and program.
MAX_EXITS = 1000


def exits_of(scope: Scope, at: ast.Expr, loop: OpenLoop) -> IterationSet:
    """The iterations of the exits: ascending, limited in number, and within the loop (E0403, E0404)."""
    word = relative(at)
    if word and word not in scope.names:
        return _relative(scope, word, at, loop)
    numbers = _numbers(scope, scope.value(at), at)
    beyond = [n for n in numbers if not 1 <= n <= loop.loop.count]
    if beyond:
        raise CompileError([_beyond(scope, at, loop, numbers, beyond)])
    if numbers != sorted(set(numbers)):
        literal = literal_list(scope, at)
        wanted = str(sorted(set(numbers)))
        label = Label((literal or at).span, "out of order" if len(set(numbers)) == len(numbers) else "duplicate exit")
        edit = Edit(literal.span, wanted) if literal else None
        help = _write(at, wanted)
        raise CompileError(
            [Diagnostic("E0404", "exits must be in strictly ascending order", label, help=help, edit=edit)]
        )
    bounded(len(numbers), at)
    return IterationSet.of(numbers)


def relative(at: ast.Expr) -> str:
    """The word of exits relative to the loop: `all`, `last`, or `every` of `every(n)`; empty for others."""
    match at:
        case ast.Name(text=("all" | "last") as word):
            return word
        case ast.Call(callee=ast.Ident(text="every")):
            return "every"
    return ""


def _relative(scope: Scope, word: str, at: ast.Expr, loop: OpenLoop) -> IterationSet:
    """Exits that follow the loop: in all iterations, in the last, or in every n-th (E0390, E0404)."""
    count = loop.loop.count
    if word == "last":
        return IterationSet.span(count, count)
    every = _every(scope, at, count) if isinstance(at, ast.Call) else 1
    bounded(count // every, at)
    return IterationSet.joined([range(every, count + 1, every)])


def _every(scope: Scope, at: ast.Call, count: int) -> int:
    """The n of `every(n)`: 1 to the number of iterations (E0404)."""
    help = "write `at every(2)` for exits after 2, 4, 6, ... iterations"
    if len(at.arguments) != 1 or at.arguments[0].name:
        raise fail("E0404", "`every` takes the distance of the exits", at.span, "one number", help)
    every = scope.integer(at.arguments[0].value, "`every`")
    if not 1 <= every <= count:
        raise fail("E0404", f"no exit is at every {every} of {count} iterations", at.span, f"from 1 to {count}", help)
    return every


def bounded(count: int, at: ast.Expr) -> None:
    """Raises CompileError (E0390) for too many exits."""
    if count > MAX_EXITS:
        message = f"an output has at most {MAX_EXITS} exits"
        raise fail("E0390", message, at.span, f"these are {count}", "list fewer: `at [1, 2, 4]`")


def _numbers(scope: Scope, value: object, at: ast.Expr) -> list[int]:
    items = value.items if isinstance(value, Items) else (value,)
    literal = literal_list(scope, at)
    for position, item in enumerate(items):
        if not isinstance(item, int) or isinstance(item, bool):
            span = literal.items[position].span if literal else at.span
            help = "write `at 4`, `at [1, 2, 4]` or `at all`"
            raise fail("E0404", "exits are a list of integers", span, f"here is {describe(item)}", help)
    if not items:
        raise fail("E0404", "the list of exits is empty", at.span, "no exit", "write `at [1, 2, 4]` or `at all`")
    return [item for item in items if isinstance(item, int)]


def _beyond(scope: Scope, at: ast.Expr, loop: OpenLoop, numbers: list[int], beyond: list[int]) -> Diagnostic:
    count = loop.loop.count
    rest = [n for n in numbers if 1 <= n <= count]
    literal = literal_list(scope, at)
    place = literal or at
    wrong = [item for item in literal.items if isinstance(item, ast.Number) and item.value in beyond] if literal else []
    shown = listed([str(n) for n in beyond[:8]])
    message = f"the loop `{loop.name}` has {count} iterations, no exit {shown}"
    labels = [Label(loop.span, f"runs {count} iterations")]
    if literal is not None and literal is not at:
        labels.append(Label(at.span, "used here"))
    help = _write(at, str(rest)) if rest else f"exits are from 1 to {count}"
    edit = Edit(literal.span, str(rest)) if literal and rest else None
    span = wrong[0].span if wrong else place.span
    return Diagnostic("E0403", message, Label(span, _outside(beyond, count)), tuple(labels), help, edit)


def _write(at: ast.Expr, exits: str) -> str:
    """The help with valid exits, for the parameter named by `at`, or for `at` itself."""
    return f"write `{at.text}={exits}`" if isinstance(at, ast.Name) else f"write `at {exits}`"


def _outside(beyond: list[int], count: int) -> str:
    return f"beyond iteration {count}" if min(beyond) > count else "iterations count from 1"


def literal_list(scope: Scope, expr: ast.Expr) -> ast.List | None:
    """The list that an expression stands for, where the text has one: itself, or a parameter's value."""
    if isinstance(expr, ast.Name):
        override = scope.lowering.chosen.values.get(expr.text)
        params = {param.name.text: param.default for param in scope.definition.params}
        found = override.value if override else params.get(expr.text)
        expr = found or expr
    return expr if isinstance(expr, ast.List) else None
