"""What pydantic found wrong in a machine file, as diagnostics at the key or value, with the edit that mends it."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from math import isqrt
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from itc.diagnostics import Diagnostic, Edit, Label
from itc.source import Span
from itc_tile.machine.document import MOST_FAULTS, Document, Path

CODES = {
    "extra_forbidden": "E0504",
    "missing": "E0505",
    "quantity": "E0506",
    "literal_error": "E0506",
    "range": "E0507",
    "too_short": "E0505",
    "grid": "E0508",
    "model_type": "E0503",
    "dict_type": "E0503",
    "string_type": "E0503",
}


def diagnostics(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Diagnostic]:
    """A diagnostic for each error, in the order of the file; of very many the first."""
    errors = error.errors(include_url=False)
    unknown = [details for details in errors if details["type"] == "extra_forbidden"]
    unknown.sort(key=lambda details: document.keys[details["loc"]].start)
    others = [details for details in errors if details["type"] != "extra_forbidden"]
    found = [_diagnostic(details, document, model) for details in (*unknown[:MOST_FAULTS], *others)]
    return sorted(found, key=lambda d: d.primary.span.start if d.primary else -1)[:MOST_FAULTS]


def _diagnostic(details: ErrorDetails, document: Document, model: type[BaseModel]) -> Diagnostic:
    path = tuple(part for part in details["loc"] if part != "[key]")
    by_type: dict[str, Callable[[], Diagnostic]] = {
        "extra_forbidden": lambda: _unknown(path, document, model),
        "missing": lambda: _missing(path, document, model),
        "literal_error": lambda: _choice(path, details, document),
        "grid": lambda: _contradiction(details, document),
    }
    if details["type"].startswith("string_too_"):
        return _length(path, details, document, model)
    return by_type.get(details["type"], lambda: _value(path, details, document))()


def _length(path: Path, details: ErrorDetails, document: Document, model: type[BaseModel]) -> Diagnostic:
    """A text that is empty or too long."""
    span = _first_line(document.values[path])
    most = details["ctx"].get("max_length")
    message = f"`{path[-1]}` is longer than {most} characters" if most else f"`{path[-1]}` is empty"
    field = _field(model, path)
    example = field.examples[0] if not most and field.examples else ""
    help = f"write for example `{path[-1]}: {example}`" if example else ""
    edit = Edit(span, example) if example and span.text.startswith(("'", '"')) else None
    return Diagnostic("E0507", message, Label(span), help=help, edit=edit)


def _value(path: Path, details: ErrorDetails, document: Document) -> Diagnostic:
    """A value that is not what its key takes."""
    span = document.values[path]
    message = {
        "model_type": "expected keys and values below it",
        "dict_type": "expected keys and values below it",
        "string_type": "expected a text",
        "too_short": "it holds nothing",
    }.get(details["type"], details["msg"])
    replacement = details.get("ctx", {}).get("replacement")
    help = f"write `{path[-1]}: {replacement}`" if replacement else ""
    edit = Edit(span, replacement) if replacement else None
    return Diagnostic(
        CODES[details["type"]], f"`{path[-1]}`: {message}", Label(_first_line(span)), help=help, edit=edit
    )


def _unknown(path: Path, document: Document, model: type[BaseModel]) -> Diagnostic:
    span, key, known = document.keys[path], str(path[-1]), _keys(model, path[:-1])
    near = get_close_matches(key, known, 1)
    home = next((section for section in _keys(model, ()) if key in _keys(model, (section,))), None)
    help = f"did you mean `{near[0]}`?" if near else f"the keys here are {', '.join(known)}"
    help = f"it belongs below `{home}`" if home and key not in known else help
    return Diagnostic(
        "E0504", f"there is no key `{key}`", Label(span), help=help, edit=Edit(span, near[0]) if near else None
    )


def _choice(path: Path, details: ErrorDetails, document: Document) -> Diagnostic:
    """A word that is none of a few."""
    is_key = details["loc"][-1] == "[key]"
    span = document.keys[path] if is_key else document.values[path]
    expected = details["ctx"]["expected"].replace("'", "`")
    near = get_close_matches(span.text, [word.strip("`") for word in expected.replace(" or ", ", ").split(", ")], 1)
    help = f"did you mean `{near[0]}`?" if near else ""
    what = "key" if is_key else f"value of `{path[-1]}`"
    message = f"`{span.text[:40]}` is no {what}: expected {expected}"
    return Diagnostic("E0506", message, Label(_first_line(span)), help=help, edit=Edit(span, near[0]) if near else None)


def _missing(path: Path, document: Document, model: type[BaseModel]) -> Diagnostic:
    """A key that is needed: named where the section it belongs to begins."""
    parent, key = path[:-1], str(path[-1])
    where = document.keys.get(parent) or _first_line(document.values[()])
    section = f"`{parent[-1]}`" if parent else "the machine"
    field = _field(model, path)
    example = field.examples[0] if field is not None and field.examples else None
    help = f"add `{key}: {example}`" if example else f"add `{key}:`; `itc machines gc200` shows what goes below it"
    edit = _insertion(document, parent, f"{key}: {example}") if example else None
    return Diagnostic("E0505", f"{section} has no `{key}`", Label(where), help=help, edit=edit)


def _insertion(document: Document, parent: Path, line: str) -> Edit | None:
    """The edit that puts `line` above the first key of a section that is written one key a line."""
    first = next((span for path, span in document.keys.items() if path[:-1] == parent), None)
    if first is None or document.source.text[document.values[parent].start] == "{":
        return None
    indent = " " * (first.location.column - 1)
    return Edit(document.source.span(first.start, first.start), f"{line}\n{indent}")


def _contradiction(details: ErrorDetails, document: Document) -> Diagnostic:
    """A grid that is missing, or does not fit the number of tiles."""
    replacement = details["ctx"].get("replacement")
    tiles = document.values[("tiles",)]
    if not replacement:
        network = document.values[("exchange", "network")]
        line = f"grid: {_squarest(int(tiles.text))}"
        help = f"add for example `{line}`: rows x columns that give the number of tiles"
        edit = _insertion(document, (), line)
        return Diagnostic("E0508", details["msg"], Label(network), (Label(tiles, "so many tiles"),), help, edit)
    primary = Label(document.values[("grid",)])
    help = f"write `tiles: {replacement}`, or change the grid"
    return Diagnostic(
        "E0508", details["msg"], primary, (Label(tiles, "so many tiles"),), help, Edit(tiles, replacement)
    )


def _squarest(tiles: int) -> str:
    """Rows x columns, no more rows than columns and as many as there can be."""
    rows = next(n for n in range(isqrt(tiles), 0, -1) if tiles % n == 0)
    return f"{rows} x {tiles // rows}"


def _first_line(span: Span) -> Span:
    """The part of a span before its first line ends, so that a caret never runs over lines."""
    length = len(span.text.split("\n", 1)[0])
    return span.source.span(span.start, span.start + length)


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """The keys of the section at `path`."""
    section = _model(model, path)
    return [field.alias or name for name, field in section.model_fields.items()] if section else []


def _field(model: type[BaseModel], path: Path) -> Any:
    section = _model(model, path[:-1])
    fields = section.model_fields if section else {}
    return next((field for name, field in fields.items() if (field.alias or name) == path[-1]), None)


def _model(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the section at `path`, through mappings and optional sections."""
    annotation: Any = model
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = _section(_field(annotation, (part,)).annotation)
        else:
            annotation = _section(get_args(annotation)[1])
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _section(annotation: Any) -> Any:
    """The model in `Model | None`; anything else as it is."""
    models = [arg for arg in get_args(annotation) if isinstance(arg, type) and issubclass(arg, BaseModel)]
    return models[0] if models and type(None) in get_args(annotation) else annotation
