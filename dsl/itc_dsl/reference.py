"""What a spec can call: operations with their signatures and first lines, and the blocks of the standard library."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from itc.extensions import OPERATIONS, load_extensions
from itc.ir import ops as _ops  # noqa: F401  fills the registry
from itc.ir.op import LAYERS
from itc.records import dataclass
from itc.source import Source
from itc_dsl.documentation import documentation
from itc_dsl.parser import parse
from itc_dsl.program import STD, std_names


@dataclass(frozen=True, slots=True)
class Entry:
    """What can be called: its call with the defaults, and what it does; `text` is all that is known of it."""

    name: str
    signature: str
    about: str
    text: str


def operations() -> dict[str, Entry]:
    """The operations by name, those of other distributions too. Raises CompileError (E0521)."""
    load_extensions(OPERATIONS)
    return {name: _operation(name, LAYERS[name]) for name in sorted(LAYERS)}


def blocks() -> dict[str, Entry]:
    """The blocks of the standard library by name."""
    return {name: _block(name) for name in std_names()}


def _operation(name: str, function: Callable[..., Any]) -> Entry:
    text = inspect.cleandoc(function.__doc__ or "")
    call = f"{name}({_parameters(function)})"
    return Entry(name, call, text.split("\n\n")[0].replace("\n", " "), f"{call}\n\n{text}\n")


def _parameters(function: Callable[..., Any]) -> str:
    parts, keywords = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords:
            parts.append("*")
            keywords = True
        dots = "..." if parameter.kind is parameter.VAR_POSITIONAL else ""
        default = "" if parameter.default is parameter.empty else f"={_literal(parameter.default)}"
        parts.append(f"{parameter.name}{dots}{default}")
    return ", ".join(parts)


def _literal(value: object) -> str:
    """A default as the language writes it."""
    match value:
        case None | bool():
            return str(value).lower()
        case (left, right) if left == right:
            return str(left)
        case tuple():
            return f"[{', '.join(map(_literal, value))}]"
        case float():
            return re.sub(r"e-0(\d)", r"e-\1", repr(value)).removesuffix(".0")
        case _:
            return str(value)


def _block(name: str) -> Entry:
    source = Source(f"std/{name}.itn", (STD / f"{name}.itn").read_text(encoding="utf-8"))
    block = next(each for each in parse(source).definitions if each.name.text == name)
    about = documentation(block).replace("\n", " ")
    start = source.text.index(f"block {name}") + len("block ")
    signature = " ".join(source.text[start : source.text.index("):", start) + 1].split())
    return Entry(name, signature, about, source.text)
