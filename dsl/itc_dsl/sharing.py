"""Reads `@share`, `@loop` and `@halt` annotations and overrides into their unevaluated parts."""

from __future__ import annotations

from dataclasses import replace
from typing import cast, get_args

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir.net import HaltKind
from itc.ir.op import NORM_ROLES, STATISTICS
from itc.records import dataclass
from itc.source import Span
from itc_dsl import ast
from itc_dsl.signature import suggest

#: The forms of `@halt`.
HALTS = "`@halt(act, epsilon=0.01, ponder=0.001)`, `@halt(above=0.9)` or `@halt(below=1e-3)`"
#: The forms of `@share`, for a help.
WORDS = ("all", "none", "calls")
NAMED = ("every", "private", "shared")
FORMS = "`all`, `none`, `every=k` or, on a block, `calls`; exceptions as `private=` and `shared=`"
#: Kinds of parameters by their roles; of two kinds, the one of fewer roles takes precedence.
KINDS: dict[str, frozenset[str]] = {
    "weight": frozenset({"weight", "slope", "constant"}),
    "bias": frozenset({"bias"}),
    "norm": NORM_ROLES,
    "statistics": STATISTICS,
    "running_mean": frozenset({"mean"}),
    "running_var": frozenset({"var"}),
}


@dataclass(frozen=True)
class Sharing:
    """One set for `all` iterations, one per iteration (`none`), or one per group of `every`; with exceptions by name.

    `calls` is for blocks: one set for all calls.
    """

    mode: str = "all"
    every: ast.Expr | None = None
    private: tuple[ast.Name, ...] = ()
    shared: tuple[ast.Name, ...] = ()

    @property
    def groups(self) -> tuple[ast.Name, ...]:
        return self.private + self.shared


def sharing_of(block: ast.Block) -> Sharing:
    """The `@share` of a block. Raises CompileError (E0210, E0217) if it is invalid."""
    annotation = next((a for a in block.annotations if a.name.text == "share"), None)
    return read_sharing(annotation) if annotation else Sharing()


def read_sharing(annotation: ast.Annotation) -> Sharing:
    sharing = Sharing()
    for argument in annotation.arguments:
        match argument:
            case ast.Argument(name=None, value=value):
                sharing = replace(sharing, mode=_mode(value))
            case ast.Argument(name=ast.Ident(text="every"), value=value):
                sharing = replace(sharing, mode="every", every=value)
            case ast.Argument(name=ast.Ident(text="private"), value=value):
                sharing = replace(sharing, private=_groups(value))
            case ast.Argument(name=ast.Ident(text="shared"), value=value):
                sharing = replace(sharing, shared=_groups(value))
            case _:
                raise _not_understood(argument, argument.name, NAMED)
    _once(annotation)
    agreeing(sharing, annotation.span)
    _effective(sharing)
    return sharing


def _effective(sharing: Sharing) -> None:
    """Raises CompileError (E0217) for exceptions without effect."""
    if sharing.mode == "calls" and sharing.groups:
        message = "`@share(calls)` has no exceptions"
        raise fail("E0217", message, sharing.groups[0].span, "without effect", "write `@share(calls)`")
    if sharing.mode == "all" and sharing.shared and not sharing.private:
        message, help = (
            "with `all`, everything is shared already",
            "write `@share(all, private=...)` or `@share(none, shared=...)`",
        )
        raise fail("E0217", message, sharing.shared[0].span, "without effect", help)
    if sharing.mode == "none" and sharing.private and not sharing.shared:
        message, help = (
            "with `none`, everything is private already",
            "write `@share(none, shared=...)` or `@share(all, private=...)`",
        )
        raise fail("E0217", message, sharing.private[0].span, "without effect", help)


def agreeing(sharing: Sharing, span: Span) -> None:
    """Raises CompileError (E0217) if a name is in both `private` and `shared`."""
    both = {name.text for name in sharing.private} & {name.text for name in sharing.shared}
    if both:
        help = "name it in one of `private` and `shared`"
        raise fail("E0217", f"`{min(both)}` cannot be both private and shared", span, "in both", help)


def _once(annotation: ast.Annotation) -> None:
    """Raises CompileError if an annotation has no mode (E0217) or two (E0210)."""
    if not annotation.arguments:
        raise fail("E0217", "`@share` needs a mode", annotation.span, "no mode", FORMS)
    modes = [a for a in annotation.arguments if a.name is None or a.name.text == "every"]
    if len(modes) > 1 and any(mode.name is None for mode in modes):
        raise fail("E0210", "`@share` has two modes", modes[1].span, "again here", f"one of {FORMS}")


def _mode(value: ast.Expr) -> str:
    if isinstance(value, ast.Constant) and value.value is None:
        return "none"
    if isinstance(value, ast.Name) and value.text in ("all", "calls"):
        return value.text
    if isinstance(value, ast.Call) and value.callee.text == "every" and len(value.arguments) == 1:
        written = f"every={value.arguments[0].span.text}"
        raise _unknown(value, f"write `{written}`", Edit(value.span, written))
    raise _not_understood(value, value, WORDS)


def _groups(value: ast.Expr) -> tuple[ast.Name, ...]:
    """One word or a list of words."""
    items = value.items if isinstance(value, ast.List) else (value,)
    for item in items:
        if not isinstance(item, ast.Name):
            raise fail(
                "E0217",
                "exceptions from sharing are names",
                item.span,
                "not a name",
                "a kind (weight, bias, norm, statistics), or the name of a call inside the block",
            )
    return tuple(item for item in items if isinstance(item, ast.Name))


def _not_understood(node: ast.Node, word: ast.Node | None, known: tuple[str, ...]) -> CompileError:
    """The error of an unknown word in `node`."""
    help, edit = suggest(word, known) if isinstance(word, ast.Name | ast.Ident) else ("", None)
    return _unknown(node, help or FORMS, edit)


def _unknown(node: ast.Node, help: str, edit: Edit | None) -> CompileError:
    label = Label(node.span, "not understood")
    return CompileError([Diagnostic("E0217", "invalid argument of `@share`", label, help=help, edit=edit)])


def override_sharing(sharing: Sharing, override: ast.Override) -> Sharing:
    """The sharing with one part replaced: `b.share=none`, `b.share=every(4)`, `b.private=norm`, `b.shared=[]`.

    Raises CompileError (E0217) if the value is invalid.
    """
    field, value = override.path[1].text, override.value
    if field == "private":
        return replace(sharing, private=_groups(value))
    if field == "shared":
        return replace(sharing, shared=_groups(value))
    if isinstance(value, ast.Call) and value.callee.text == "every" and len(value.arguments) == 1:
        return replace(sharing, mode="every", every=_run(override, value.arguments[0].value))
    if value.span.text in ("all", "none"):
        return replace(sharing, mode=value.span.text, every=None)
    help = "`all`, `none` or `every(k)`"
    raise fail("E0217", f"`{override.path[0].text}.share` cannot be set to this", value.span, "not understood", help)


def _run(override: ast.Override, value: ast.Expr) -> ast.Number:
    """The number of iterations per set, a literal, since overrides cannot use names of the file (E0217)."""
    if isinstance(value, ast.Number) and isinstance(value.value, int) and value.value >= 1:
        return value
    help = f"write a positive integer: `{override.path[0].text}.share=every(2)`"
    raise fail("E0217", "`every` takes the number of iterations that share one set", value.span, "not this", help)


#: The fields of a block that an override can replace.
OVERRIDABLE = ("share", "private", "shared")


@dataclass(frozen=True)
class LoopCount:
    """The number of iterations: `@loop(times)`, or `@loop(max=n)` for a loop that halts."""

    count: ast.Expr
    halting: bool


def loop_of(block: ast.Block) -> LoopCount | None:
    """The `@loop` of a block; none for a loop over `each`. Raises CompileError (E0217)."""
    annotation = next((a for a in block.annotations if a.name.text == "loop"), None)
    if annotation is None:
        return None
    if len(annotation.arguments) == 1:
        (argument,) = annotation.arguments
        if argument.name is None or argument.name.text == "max":
            return LoopCount(argument.value, argument.name is not None)
    help = "`@loop(times)`, or `@loop(max=n)` with `@halt`"
    raise CompileError(
        [Diagnostic("E0217", "`@loop` takes the number of iterations", Label(annotation.span, "here"), help=help)]
    )


@dataclass(frozen=True)
class Halting:
    """The stopping rule: `@halt(act, epsilon=0.01, ponder=0.001)`, `@halt(above=0.9)` or `@halt(below=1e-3)`.

    `limit` is the epsilon or the threshold; omitted parts are none.
    """

    kind: HaltKind
    limit: ast.Expr | None
    ponder: ast.Expr | None = None


def halting_of(block: ast.Block) -> Halting | None:
    """The `@halt` of a block, if any. Raises CompileError (E0217)."""
    annotation = next((a for a in block.annotations if a.name.text == "halt"), None)
    if annotation is None:
        return None
    unnamed = [a.value for a in annotation.arguments if a.name is None]
    named = {a.name.text: a.value for a in annotation.arguments if a.name}
    if [_word(value) for value in unnamed] == ["act"] and named.keys() <= {"epsilon", "ponder"}:
        return Halting("act", named.get("epsilon"), named.get("ponder"))
    if not unnamed and len(named) == 1 and set(named) <= {"above", "below"}:
        ((kind, limit),) = named.items()
        return Halting(cast(HaltKind, kind), limit)
    raise _not_a_halt(annotation, unnamed, named)


def _word(value: ast.Expr) -> str:
    return value.text if isinstance(value, ast.Name) else ""


def _not_a_halt(annotation: ast.Annotation, unnamed: list[ast.Expr], named: dict[str, ast.Expr]) -> CompileError:
    """The error at the first argument that matches no form, or at the whole annotation."""
    wrong = [value for value in unnamed if _word(value) != "act"]
    wrong += [value for name, value in named.items() if name not in ("epsilon", "ponder", "above", "below")]
    if not wrong:
        return fail("E0217", "invalid form of `@halt`", annotation.span, "not understood", HALTS)
    kinds = get_args(HaltKind)
    return fail("E0217", f"the stopping rules of loops are {', '.join(kinds)}", wrong[0].span, "not understood", HALTS)
