"""Parses conditions and quantities over figures and settings and evaluates them exactly, without executing text.

Numbers are exact fractions, so that comparisons have no rounding errors. They may have the units of figures:
`macs < 2.2 G`, `graph < 100 MiB`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, Tree, UnexpectedInput, v_args

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.source import Source, Span

Value = Fraction | str | bool
Values = Mapping[str, Value]
MAX_CHARACTERS = 1000
MAX_DEPTH = 50
#: Maximum number of digits of numerators and denominators, within the range of floats.
LARGEST = 10**300
EXAMPLE = "for example `macs < 2.2e9 and f >= 20`"
UNIT = re.compile(r"(.*?) ?(?:([kKMGT])(i?))?B?")
POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A subexpression: a function of the values of its `names`, which have spans."""

    span: Span
    value: Callable[[Values], Value]
    names: tuple[tuple[str, Span], ...] = ()

    @property
    def text(self) -> str:
        return self.span.text

    def check(self, known: Iterable[str]) -> None:
        """Raises CompileError (E0280) for names that are not `known`."""
        known = list(known)
        faults = [_unknown(name, span, known) for name, span in self.names if name not in known]
        if faults:
            raise CompileError(faults)

    def number(self, values: Values) -> Fraction:
        """Its value, which must be a number (E0380) within limits (E0394)."""
        value = self.value(values)
        if isinstance(value, Fraction):
            return self.bounded(value)
        raise fail("E0380", f"a number is needed, this is {_kind(value)}", self.span, _shown(value))

    def bounded(self, number: Fraction) -> Fraction:
        """`number`, unless it has too many digits."""
        if max(abs(number.numerator), number.denominator) > LARGEST:
            help = "compare smaller quantities, for example `macs / 1e9`"
            raise fail("E0394", "a number has at most 300 digits", self.span, "this has more", help)
        return number

    def truth(self, values: Values) -> bool:
        """Its value, which must be a boolean (E0380)."""
        value = self.value(values)
        if isinstance(value, bool):
            return value
        raise fail("E0380", f"a condition is needed, this is {_kind(value)}", self.span, _shown(value), EXAMPLE)


@dataclass(frozen=True, slots=True)
class Goal:
    """A quantity to minimise, or to maximise if `large`."""

    quantity: Expression
    large: bool = False

    def cost(self, values: Values) -> Fraction:
        """The quantity, negated for maximisation, so that less is better."""
        number = self.quantity.number(values)
        return -number if self.large else number

    def __str__(self) -> str:
        return f"{'max' if self.large else 'min'} {self.quantity.text}"


def parse(text: str, option: str) -> Expression:
    """The expression `text` of an option `option`. Raises CompileError (E0181)."""
    parsed = _parse(text, option, "condition")
    assert isinstance(parsed, Expression)
    return parsed


def parse_goals(text: str, option: str) -> tuple[Goal, Goal]:
    """Two goals, `min macs, max f`. Raises CompileError (E0181)."""
    first, second = _parse(text, option, "goals")
    return first, second


def _parse(text: str, option: str, start: str) -> Any:
    source = Source(option, text)
    example = "for example `min macs, max f`" if start == "goals" else EXAMPLE
    if len(text) > MAX_CHARACTERS:
        message = f"an expression has at most {MAX_CHARACTERS} characters, this has {len(text)}"
        raise fail("E0181", message, source.span(MAX_CHARACTERS, MAX_CHARACTERS + 1), "the first too many")
    try:
        tree = _grammar().parse(text, start=start)
        _check_depth(tree, source)
        return _Builder(source).transform(tree)
    except UnexpectedInput as error:
        raise _misunderstood(source, error, example) from None


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    text = (Path(__file__).parent / "expression.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", start=["condition", "goals"], propagate_positions=True)


def _check_depth(tree: Tree[Token], source: Source) -> None:
    left = [(tree, 1)]
    while left:
        node, depth = left.pop()
        if depth > MAX_DEPTH:
            span = source.span(node.meta.start_pos, node.meta.end_pos)
            raise fail("E0181", f"an expression nests at most {MAX_DEPTH} deep", span, "deeper")
        left += [(child, depth + 1) for child in node.children if isinstance(child, Tree)]


def _misunderstood(source: Source, error: UnexpectedInput, example: str) -> CompileError:
    at = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(source.text)
    token = getattr(error, "token", None)
    if isinstance(token, Token) and token.type == "$END":
        at = len(source.text)
    found = token if isinstance(token, Token) and token.type != "$END" else source.text[at : at + 1]
    span = source.span(at, at + max(len(found), 1))
    if found == "=":
        edit = Edit(source.span(at, at + 1), "==")
        label = Label(span, "sets nothing here")
        return CompileError([Diagnostic("E0181", "`=` does not compare", label, help="write `==`", edit=edit)])
    note = "not expected" if found else "more is expected"
    return fail("E0181", "invalid expression", span, note, example)


@v_args(meta=True)
class _Builder(Transformer[Token, Any]):
    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def _make(self, meta: Any, value: Callable[[Values], Value], *parts: Expression) -> Expression:
        span = self.source.span(meta.start_pos, meta.end_pos)
        return Expression(span, value, tuple(name for part in parts for name in part.names))

    def either(self, meta: Any, parts: list[Expression]) -> Expression:
        return self._make(meta, lambda values: any(part.truth(values) for part in parts), *parts)

    def every(self, meta: Any, parts: list[Expression]) -> Expression:
        return self._make(meta, lambda values: all(part.truth(values) for part in parts), *parts)

    def negated(self, meta: Any, parts: list[Expression]) -> Expression:
        return self._make(meta, lambda values: not parts[0].truth(values), *parts)

    def comparison(self, meta: Any, parts: list[Any]) -> Expression:
        sides, signs = parts[::2], parts[1::2]

        def value(values: Values) -> bool:
            pairs = zip(sides, signs, sides[1:], strict=False)
            return all(_compared(left, sign, right, values) for left, sign, right in pairs)

        return self._make(meta, value, *sides)

    def arithmetic(self, meta: Any, parts: list[Any]) -> Expression:
        terms, signs = parts[::2], parts[1::2]

        def value(values: Values) -> Fraction:
            total: Fraction = terms[0].number(values)
            for sign, term in zip(signs, terms[1:], strict=True):
                total = made.bounded(_calculated(total, sign, term, term.number(values)))
            return total

        made = self._make(meta, value, *terms)
        return made

    def signed(self, meta: Any, parts: list[Any]) -> Expression:
        sign, part = parts
        return self._make(meta, lambda values: -part.number(values) if sign == "-" else part.number(values), part)

    def number(self, meta: Any, parts: list[Token]) -> Expression:
        match = UNIT.fullmatch(parts[0])
        assert match
        factor = (1024 if match[3] else 1000) ** POWERS[match[2]] if match[2] else 1
        number = Fraction(match[1]) * factor
        return self._make(meta, lambda _: number)

    def text(self, meta: Any, parts: list[Token]) -> Expression:
        return self._make(meta, lambda _: str(parts[0][1:-1]))

    def true(self, meta: Any, _: list[Token]) -> Expression:
        return self._make(meta, lambda _: True)

    def false(self, meta: Any, _: list[Token]) -> Expression:
        return self._make(meta, lambda _: False)

    def name(self, meta: Any, parts: list[Token]) -> Expression:
        name = str(parts[0])
        made = self._make(meta, lambda values: values[name])
        return Expression(made.span, made.value, ((name, made.span),))

    def goal(self, _: Any, parts: list[Any]) -> Goal:
        return Goal(parts[1], parts[0] == "max")

    def goals(self, _: Any, parts: list[Goal]) -> list[Goal]:
        return parts


def _compared(left: Expression, sign: str, right: Expression, values: Values) -> bool:
    one, other = left.value(values), right.value(values)
    if _kind(one) != _kind(other):  # strings of settings are a type of their own
        span = left.span.to(right.span)
        raise fail("E0380", f"{_kind(one)} is compared with {_kind(other)}", span, f"{_shown(one)} and {_shown(other)}")
    if sign not in ("==", "!=") and not isinstance(one, Fraction):
        raise fail("E0380", f"`{sign}` orders numbers, this is {_kind(one)}", left.span, _shown(one))
    return ORDER[sign](one, other)


def _calculated(total: Fraction, sign: str, term: Expression, number: Fraction) -> Fraction:
    if sign == "/" and number == 0:
        raise fail("E0380", "division by zero", term.span, "0")
    operators: dict[str, Callable[[Any, Any], Fraction]] = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
    }
    return operators[sign](total, number)


def _unknown(name: str, span: Span, known: list[str]) -> Diagnostic:
    near = get_close_matches(name, known, 1)
    help = f"did you mean `{near[0]}`?\n" if near else ""
    help += f"known names: {', '.join(known)}; write a string to compare with a setting in quotes: '{name}'"
    edit = Edit(span, near[0]) if near else None
    message = f"`{name}` is neither a figure nor a setting of this sweep"
    return Diagnostic("E0280", message, Label(span, "unknown"), help=help, edit=edit)


def _kind(value: Value) -> str:
    return "a truth" if isinstance(value, bool) else "a number" if isinstance(value, Fraction) else "a text"


def _shown(value: Value) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else f"{value}" if isinstance(value, Fraction) else f"'{value}'"
    )
