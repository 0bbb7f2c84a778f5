"""Signatures of blocks, operations and functions, and the binding of arguments to parameters."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from itc.diagnostics import Diagnostic, Edit, Label
from itc.ir.op import LAYERS
from itc.ir.types import TensorType
from itc.records import dataclass
from itc.source import Span
from itc_dsl import ast

#: Functions of compile-time values, with minimum and maximum number of arguments.
BUILTINS = {
    "range": (1, 3),
    "zip": (1, 64),
    "enumerate": (1, 1),
    "reversed": (1, 1),
    "len": (1, 1),
    "min": (1, 64),
    "max": (1, 64),
    "sum": (1, 1),
    "int": (1, 1),
    "round": (1, 1),
    "ceil": (1, 1),
    "floor": (1, 1),
    "shape": (1, 1),
    "channels": (1, 1),
    "identity": (1, 1),
    "split": (2, 3),
}
#: Parameters of the functions with named arguments.
BUILTIN_NAMES = {"split": ("x", "parts", "axis")}

#: Limits of the search for a suggestion for a misspelt name.
MAX_SUGGESTED = 64
MAX_CANDIDATES = 1000
#: Maximum number of parameters listed in a help.
MAX_LISTED = 100

#: The keyword of every call of a block or an operation for its segment of the keys.
NAME_KEYWORD = "name"


#: Kinds of parameter values, in words for messages; `anything` is for parameters of blocks.
KINDS = {
    "tensor": "a tensor",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "pair": "a list of two integers",
    "integers": "a list of integers",
    "numbers": "a list of numbers",
    "text": "a string",
    "none": "",
    "anything": "",
}


@dataclass(frozen=True, slots=True)
class Accepts:
    """Accepted values of a parameter: kinds of KINDS, and words without quotes."""

    kinds: frozenset[str]
    words: tuple[str, ...] = ()

    def __contains__(self, kind: str) -> bool:
        return kind in self.kinds

    def __str__(self) -> str:
        shown = self.kinds | ({"integer"} if "pair" in self.kinds else set())
        names = [text for kind, text in KINDS.items() if kind in shown and text]
        return listed(names + [f"`{word}`" for word in self.words], "or")


ANYTHING = Accepts(frozenset({"anything"}))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter; `variadic` ones take all remaining positional arguments."""

    name: str
    kind: Literal["positional", "keyword", "variadic"] = "positional"
    required: bool = True
    accepts: Accepts = ANYTHING


@dataclass(frozen=True, slots=True)
class Signature:
    """A callable: `what` is its name in messages, `named` whether arguments may be named."""

    what: str
    parameters: tuple[Parameter, ...]
    named: bool = True

    def __str__(self) -> str:
        return ", ".join(p.name if p.required else f"{p.name}=..." for p in self.parameters)


#: The arguments of each parameter; None stands for the piped value.
Bound = dict[str, list[ast.Expr | None]]


@lru_cache(maxsize=256)
def of_operation(name: str) -> Signature:
    """The signature of an operation of `itc.ir.op.LAYERS`."""
    function = LAYERS[name]
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    return Signature(f"`{name}`", tuple(_parameter(p, hints[p.name]) for p in parameters))


def of_block(block: ast.Block) -> Signature:
    parameters = (Parameter(param.name.text, required=param.default is None) for param in block.params)
    return Signature(f"`{block.name.text}`", tuple(parameters))


def of_builtin(name: str) -> Signature:
    least, most = BUILTINS[name]
    if name in BUILTIN_NAMES:
        named = (Parameter(word, required=i < least) for i, word in enumerate(BUILTIN_NAMES[name]))
        return Signature(f"`{name}`", tuple(named))
    parameters = (Parameter(f"value {i + 1}", required=i < least) for i in range(most))
    return Signature(f"`{name}`", tuple(parameters), named=False)


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    kinds: dict[Any, Literal["positional", "keyword", "variadic"]] = {
        parameter.KEYWORD_ONLY: "keyword",
        parameter.VAR_POSITIONAL: "variadic",
    }
    kind = kinds.get(parameter.kind, "positional")
    required = parameter.default is parameter.empty and kind != "variadic"
    return Parameter(parameter.name, kind, required, accepts(hint))


def accepts(hint: Any) -> Accepts:
    """The accepted values for a Python annotation of a layer function."""
    if get_origin(hint) in (Union, UnionType):
        parts = [accepts(part) for part in get_args(hint)]
        kinds = frozenset(kind for part in parts for kind in part.kinds)
        return Accepts(kinds, tuple(word for part in parts for word in part.words))
    if get_origin(hint) is Literal:
        return Accepts(frozenset(), get_args(hint))
    if get_origin(hint) is tuple:
        lists = {(int, int): "pair", (float, ...): "numbers"}
        return Accepts(frozenset({lists.get(get_args(hint), "integers")}))
    kinds_of = {TensorType: "tensor", int: "integer", float: "number", bool: "boolean", str: "text", NoneType: "none"}
    return Accepts(frozenset({kinds_of[hint]}))


def call_name(call: ast.Call) -> ast.Argument | None:
    """The `name="..."` of a call, if it has one."""
    return next((a for a in call.arguments if a.name and a.name.text == NAME_KEYWORD), None)


def bind(signature: Signature, call: ast.Call, piped: bool, helps: bool = True) -> tuple[Bound, list[Diagnostic]]:
    """The arguments of `call` by parameter, and the diagnostics of the binding (E0208-E0210)."""
    binder = _Binder(signature, call, helps)
    given: list[tuple[ast.Expr | None, Span]] = [(None, call.span)] if piped else []
    given += [(a.value, a.span) for a in call.arguments if a.name is None]
    for expr, span in given:
        binder.positional(expr, span)
    for argument in call.arguments:
        if argument.name and not (signature.named and argument.name.text == NAME_KEYWORD):
            binder.keyword(argument.name, argument)
    binder.missing()
    return binder.bound, binder.faults


class _Binder:
    def __init__(self, signature: Signature, call: ast.Call, helps: bool) -> None:
        self.signature = signature
        self.call = call
        self.helps = helps
        named = (p for p in signature.parameters if p.kind != "variadic" and signature.named)
        self.known = {p.name: p for p in named}
        self.bound: Bound = {}
        self.faults: list[Diagnostic] = []
        self.left = [p for p in signature.parameters if p.kind != "keyword"]
        self.excess = False

    def positional(self, expr: ast.Expr | None, span: Span) -> None:
        if self.left:
            parameter = self.left[0] if self.left[0].kind == "variadic" else self.left.pop(0)
            self.bound.setdefault(parameter.name, []).append(expr)
        elif not self.excess:
            self.excess = True
            most = len([p for p in self.signature.parameters if p.kind != "keyword"])
            help = self.parameters() if self.signature.named else ""
            message = f"{self.signature.what} takes {plural(most, 'positional argument')}"
            self.faults.append(Diagnostic("E0210", message, Label(span, "one too many"), help=help))

    def keyword(self, name: ast.Ident, argument: ast.Argument) -> None:
        if name.text not in self.known:
            self.faults.append(self.unknown(name))
        elif name.text in self.bound:
            message = f"`{name.text}` is given twice"
            self.faults.append(Diagnostic("E0210", message, Label(argument.span, "again here")))
        else:
            self.bound[name.text] = [argument.value]

    def unknown(self, name: ast.Ident) -> Diagnostic:
        message = f"{self.signature.what} has no parameter `{name.text}`"
        if not self.helps or self.faults:
            return Diagnostic("E0208", message, Label(name.span, "unknown"))
        help, edit = suggest(name, (p for p in self.known if p not in self.bound))
        help = help or self.parameters()
        return Diagnostic("E0208", message, Label(name.span, "unknown"), help=help, edit=edit)

    def parameters(self) -> str:
        if len(self.known) > MAX_LISTED:
            return ""
        return f"its parameters are: {self.signature}" if self.signature.named else "its arguments have no names"

    def missing(self) -> None:
        names = [p.name for p in self.signature.parameters if p.required and p.name not in self.bound]
        if names and not self.faults:
            what = listed([f"`{name}`" for name in names]) if self.signature.named else "an argument"
            message = f"{self.signature.what} needs {what}"
            help = self.parameters() if self.signature.named else ""
            self.faults.append(Diagnostic("E0209", message, Label(self.call.callee.span, "missing here"), help=help))


def suggest(name: ast.Ident | ast.Name, known: Iterable[str]) -> tuple[str, Edit | None]:
    """A help and an edit for a misspelt name, empty without a close match."""
    candidates = sorted(known)
    if len(name.text) > MAX_SUGGESTED or len(candidates) > MAX_CANDIDATES:
        return "", None
    close = get_close_matches(name.text, candidates, 1)
    close = close or [known for known in candidates if name.text in known.split("_")]
    if len(close) != 1:
        return "", None
    return f"did you mean `{close[0]}`?", Edit(name.span, close[0])


def listed(names: list[str], word: str = "and") -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else "nothing"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
