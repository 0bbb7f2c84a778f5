"""Parses axes of a sweep such as `f=16..64`, `n=1,2,4`, `rate=0.1..0.5..0.1` into a grid of settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.driver import parse_settings
from itc.source import Source, Span

#: Names with their values, in order of definition.
Axes = Mapping[str, Sequence[object]]
MAX_POINTS = 10_000
NUMBER = r"\s*(-?\d{1,15}(?:\.\d{1,15})?)\s*"
RANGE = re.compile(rf"{NUMBER}\.\.{NUMBER}(?:\.\.{NUMBER})?", re.ASCII)
OPENING, CLOSING = "([{", ")]}"


def parse_axes(texts: Iterable[str]) -> dict[str, Sequence[object]]:
    """The axes of `name=values` texts; later values of a name replace earlier ones.

    Values are separated by commas: literals as in any setting, `a..b` (both ends included) or `a..b..step`. Raises
    CompileError for an invalid setting (E0112) or range (E0180), and for too many points (E0190).
    """
    axes: dict[str, Sequence[object]] = {}
    faults: list[Diagnostic] = []
    for text in texts:
        try:
            name, values = _axis(Source("--set", text))
            axes.pop(name, None)
            axes[name] = values
        except CompileError as error:
            faults.extend(error.diagnostics)
    if faults:
        raise CompileError(faults)
    return bounded(axes)


def bounded(axes: dict[str, Sequence[object]]) -> dict[str, Sequence[object]]:
    """`axes`, checked for empty ones and too many points (E0180, E0190)."""
    for name, values in axes.items():
        if not values:
            raise fail("E0180", f"`{name}` has no values")
    count = prod(len(values) for values in axes.values())
    if count > MAX_POINTS:
        listing = " x ".join(f"{len(values):,} of {name}" for name, values in axes.items() if len(values) > 1)
        help = "take wider steps, such as `f=16..64..4`"
        raise fail("E0190", f"a sweep has at most {MAX_POINTS:,} points, this has {count:,}: {listing}", help=help)
    return axes


def grid(axes: Axes) -> Iterator[dict[str, object]]:
    """The settings of each point; the values of the last axis change first."""
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _axis(source: Source) -> tuple[str, Sequence[object]]:
    name, equals, rest = source.text.partition("=")
    if not equals:
        parse_settings([source.text])  # raises
    start = len(name) + 1
    items = list(_items(rest))
    if len(items) == 1 and RANGE.fullmatch(rest):
        return name.strip(), _range(source.span(start, len(source.text)))
    values: list[object] = []
    for first, end in items:
        span = source.span(start + first, start + end)
        ranged = ".." in span.text and not set(span.text) & set("'\"")
        found = _range(span) if ranged else [_literal(name, span)]
        bounded({name.strip(): range(len(values) + len(found))})
        values += found
    return name.strip(), values


def _items(text: str) -> Iterator[tuple[int, int]]:
    """The spans of items separated by commas outside brackets and quotes."""
    start = depth = 0
    quote = ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in OPENING + CLOSING:
            depth += 1 if char in OPENING else -1
        elif char == "," and depth <= 0:
            yield start, at
            start = at + 1
    yield start, len(text)


def _literal(name: str, span: Span) -> object:
    ((_, value),) = parse_settings([f"{name}={span.text}"]).items()
    return value


def _range(span: Span) -> Sequence[object]:
    match = RANGE.fullmatch(span.text)
    if match is None:
        raise _fault(span, "a range must be `first..last` or `first..last..step`", "not valid")
    first, last = Fraction(match[1]), Fraction(match[2])
    whole = first.denominator == last.denominator == 1 and "." not in span.text.replace("..", "")
    if match[3] is None and not whole:
        raise _fault(span, "a range of fractions needs a step", "no step", f"{match[1]}..{match[2]}..0.1")
    step = Fraction(match[3] or 1)
    if step <= 0:
        raise _fault(span, "the step of a range must be positive", f"this is {match[3]}")
    if last < first:
        raise _fault(span, "a range must ascend", "empty", f"{match[2]}..{match[1]}")
    count = (last - first) // step + 1
    if whole:
        return range(int(first), int(last) + 1, int(step))
    if count > MAX_POINTS:
        raise _too_many(span, count)
    return [float(first + k * step) for k in range(count)]


def _too_many(span: Span, count: int) -> CompileError:
    label = Label(span, f"{count:,} values")
    return CompileError([Diagnostic("E0190", f"a sweep has at most {MAX_POINTS:,} points", label)])


def _fault(span: Span, message: str, note: str, written: str = "") -> CompileError:
    edit = Edit(span, written) if written else None
    help = f"write `{written}`" if written else "for example `f=16..64` or `f=16..64..4`"
    return CompileError([Diagnostic("E0180", message, Label(span, note), help=help, edit=edit)])
