"""Reads reference figures of a network from `@published(params="182 k")` and `@counted(...)`."""

from __future__ import annotations

import re

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.figures import MEASURES, Published
from itc.ir.net import Net
from itc_dsl import ast
from itc_dsl.signature import suggest

#: Valid figures, by the name of the figure of `itc cost`; bytes may have binary or decimal units.
FIGURES = {name: "B" if measure.endswith("bytes") else "" for name, measure in MEASURES.items()}
#: Arguments for all figures of an annotation: the source, and the segment whose parameters are excluded.
ABOUT = ("source", "without")
#: Annotations with figures: printed in a paper, or counted from a definition of layers.
KINDS = ("published", "counted")
NUMBER = re.compile(r"((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?) ?(|k|K(?=i)|M|G|T)(|i)(|B)", re.ASCII)
POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def published(definition: ast.Network | ast.Variant) -> tuple[Published, ...]:
    """The figures of a network. Raises CompileError (E0217) for invalid names and numbers."""
    figures: list[Published] = []
    faults: list[Diagnostic] = []
    for annotation in definition.annotations:
        if annotation.name.text in KINDS:
            about = {a.name.text: a for a in annotation.arguments if a.name and a.name.text in ABOUT}
            given = [a for a in annotation.arguments if a.name is None or a.name.text not in ABOUT]
            faults += _about_faults(annotation, about, given)
            for figure in (_figure(argument, annotation.name.text, about) for argument in given):
                (faults if isinstance(figure, Diagnostic) else figures).append(figure)  # type: ignore[arg-type]
    if faults:
        raise CompileError(faults)
    return tuple(figures)


def check_parts(figures: tuple[Published, ...], net: Net) -> None:
    """Raises CompileError (E0217) if a figure excludes a segment without parameters in `net`."""
    segments = {segment for param in net.params for segment in param.key.split(".")}
    unknown = {figure.without: figure for figure in figures if figure.without and figure.without not in segments}
    faults = []
    for name, figure in unknown.items():
        assert figure.span
        message = f"no parameter's key has the segment `{name}`"
        help = f"keys begin with: {', '.join(dict.fromkeys(param.key.split('.')[0] for param in net.params))}"
        faults.append(Diagnostic("E0217", message, Label(figure.span, "excludes nothing"), help=help))
    if faults:
        raise CompileError(faults)


def _about_faults(
    annotation: ast.Annotation, about: dict[str, ast.Argument], given: list[ast.Argument]
) -> list[Diagnostic]:
    kind, faults = annotation.name.text, []
    if not given:
        label = Label(annotation.span, "no figure")
        help = f'figures are: {", ".join(FIGURES)}; for example `@{kind}(macs="6.2 G")`'
        faults.append(Diagnostic("E0217", f"`@{kind}` gives no figure", label, help=help))
    if "source" in about and not isinstance(about["source"].value, ast.Text):
        label = Label(about["source"].value.span, "not a text")
        faults.append(Diagnostic("E0217", "a source is a text", label, help='for example `source="Table 2"`'))
    if "without" in about and not isinstance(about["without"].value, ast.Name):
        label = Label(about["without"].value.span, "not a name")
        message = "`without` takes a segment of parameter keys"
        faults.append(Diagnostic("E0217", message, label, help="for example `without=classify`"))
    for argument in given:
        if "without" in about and argument.name and argument.name.text != "params":
            label = Label(argument.span, "not of parameters")
            message = f"`without` applies only to `params`, not to `{argument.name.text}`"
            faults.append(
                Diagnostic("E0217", message, label, help=f"give `params` in a separate `@{kind}(..., without=...)`")
            )
    return faults


def _figure(argument: ast.Argument, kind: str, about: dict[str, ast.Argument]) -> Published | Diagnostic:
    if argument.name is None or argument.name.text not in FIGURES:
        help, edit = suggest(argument.name, [*FIGURES, *ABOUT]) if argument.name else ("", None)
        label = Label((argument.name or argument).span, "unknown")
        help = help or f"figures are: {', '.join(FIGURES)}"
        return Diagnostic("E0217", f"`@{kind}` has no such figure", label, help=help, edit=edit)
    text = argument.value.value if isinstance(argument.value, ast.Text) else ""
    unit = FIGURES[argument.name.text]
    match = NUMBER.fullmatch(text)
    if match is None or match[5] != unit or (match[4] and not match[3]) or not _value(match[1]):
        example = '"83 MiB"' if unit else '"6.2 G"'
        label = Label(argument.value.span, "not understood")
        message = f"a {kind} figure is a number with its unit"
        return Diagnostic("E0217", message, label, help=f"for example {example}")
    factor = float((1024 if match[4] else 1000) ** POWERS[match[3]])
    exact = factor == 1 and not match[2]
    rounding = 0.0 if exact else factor * 10 ** -len(match[2] or "") / 2
    source, without = about.get("source"), about.get("without")
    return Published(
        name=argument.name.text,
        text=text,
        value=_value(match[1]) * factor,
        rounding=rounding,
        kind=kind,
        source=source.value.value if source and isinstance(source.value, ast.Text) else "",
        without=without.value.text if without and isinstance(without.value, ast.Name) else "",
        span=without.span if without else None,
    )


def _value(digits: str) -> float:
    return float(digits.replace(",", ""))
