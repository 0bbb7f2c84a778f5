"""Figures that a paper published for a network: `@published(params="182 k", ...)` in, numbers with their text out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from itc.diagnostics import CompileError, Diagnostic, Label
from itc_dsl import ast
from itc_dsl.signature import suggest

#: Figures that may be given, by the name of what `itc cost` computes; bytes may carry binary or decimal units.
FIGURES = {"params": "", "macs": "", "graph": "B", "latency": "", "state": "B"}
NUMBER = re.compile(r"(\d+(?:\.\d+)?) ?(|k|M|G|T)(|i)(|B)")
POWERS = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class Figure:
    """A published number as it is printed, and its value; `name` is a key of FIGURES."""

    name: str
    text: str
    value: float

    def json(self) -> dict[str, Any]:
        return {"name": self.name, "text": self.text, "value": self.value}


def published(definition: ast.Network | ast.Variant) -> tuple[Figure, ...]:
    """The figures of a network. Raises CompileError (E0217) for names and numbers that are not understood."""
    figures: list[Figure] = []
    faults: list[Diagnostic] = []
    for annotation in definition.annotations:
        for argument in annotation.arguments if annotation.name.text == "published" else ():
            figure = _figure(argument)
            (faults if isinstance(figure, Diagnostic) else figures).append(figure)  # type: ignore[arg-type]
    if faults:
        raise CompileError(faults)
    return tuple(figures)


def _figure(argument: ast.Argument) -> Figure | Diagnostic:
    if argument.name is None or argument.name.text not in FIGURES:
        help, edit = suggest(argument.name, FIGURES) if argument.name else ("", None)
        label = Label((argument.name or argument).span, "unknown")
        help = help or f"figures are: {', '.join(FIGURES)}"
        return Diagnostic("E0217", "`@published` does not know this figure", label, help=help, edit=edit)
    text = argument.value.value if isinstance(argument.value, ast.Text) else ""
    unit = FIGURES[argument.name.text]
    match = NUMBER.fullmatch(text)
    if match is None or match[4] != unit or (match[3] and not match[2]) or not float(match[1]):
        example = '"83 MiB"' if unit else '"6.2 G"'
        label = Label(argument.value.span, "not understood")
        return Diagnostic("E0217", "a published figure is a number with its unit", label, help=f"for example {example}")
    base = 1024 if match[3] else 1000
    return Figure(argument.name.text, text, float(match[1]) * base ** POWERS[match[2]])
