"""Conditions and quantities: what they come to, exactly, and what is said about those that are not understood."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itc.diagnostics import CompileError, render
from itc.sweeps.expressions import MAX_CHARACTERS, Value, parse, parse_goals
from tests.conftest import Golden

VALUES: dict[str, Value] = {
    "macs": Fraction(2_200_000_000),
    "f": Fraction(29),
    "rate": Fraction("0.1"),
    "refine.share": "none",
    "deep": True,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("macs < 2.2e9", False),
        ("macs <= 2.2 G", True),
        ("macs / 1e9 == 2.2", True),
        ("macs >= 2 GiB and f == 29", True),
        ("20 < f <= 29 != 30", True),
        ("f + 1 - 2 * 3 / 2 == 27", True),
        ("-(f - 30) == 1 == +1", True),
        ("rate * 3 == 0.3", True),
        ("refine.share == 'none' and not refine.share == \"all\"", True),
        ("deep and not false or f > 100 and true", True),
        ("f != 29 and 1 / (f - 29) > 0", False),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    expression = parse(text, "--where")
    expression.check(VALUES)
    assert expression.truth(VALUES) is expected


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 99)), min_size=1, max_size=8))
def test_arithmetic_is_pythons(terms: list[tuple[str, int]]) -> None:
    text = "1 " + " ".join(f"{sign} {number}" for sign, number in terms)
    assert parse(text, "--max").number({}) == eval(text)  # of digits and signs that are drawn here


def test_goals() -> None:
    first, second = parse_goals("min macs, max f / 2", "--front")
    assert (str(first), first.cost(VALUES)) == ("min macs", 2_200_000_000)
    assert (str(second), second.cost(VALUES)) == ("max f / 2", Fraction(-29, 2))


WRONG = [
    "mac < 2.2e9",
    "macs = 3",
    "macs <",
    "macs < 2 ** 3",
    "",
    "f < 'x'",
    "f + 1",
    "refine.share < 'x'",
    "refine.share == none",
    "-refine.share == 1",
    "1 / (f - 29) > 1",
    '__import__("os")',
    "f < 9e999999",
    "not " * 60 + "deep",
    "-" * 900 + "f < 1",
    "f < " + "1" * MAX_CHARACTERS,
]


def test_what_is_said_about_wrong_ones(golden: Golden) -> None:
    said = []
    for text in WRONG:
        with pytest.raises(CompileError) as raised:
            expression = parse(text, "--where")
            expression.check(VALUES)
            expression.truth(VALUES)
        said.append(render(raised.value.diagnostics))
    golden(Path(__file__).parent / "golden" / "expressions.err", "\n\n".join(said))


def test_an_edit_mends_what_it_is_for() -> None:
    for text, mended in [("mac < 1", "macs < 1"), ("f = 29", "f == 29")]:
        with pytest.raises(CompileError) as raised:
            parse(text, "--where").check(VALUES)
        (diagnostic,) = raised.value.diagnostics
        assert diagnostic.edit and diagnostic.edit.apply() == mended
        parse(mended, "--where").check(VALUES)


@given(st.text(st.sampled_from("f<>=!+-*/()'\" .0123eEGMikB,andortmxc_é\n"), max_size=40))
def test_no_text_is_more_than_a_diagnostic(text: str) -> None:
    try:
        expression = parse(text, "--where")
        expression.check(VALUES)
        expression.value(VALUES)
    except CompileError as error:
        assert all(diagnostic.code in ("E0181", "E0280", "E0380") for diagnostic in error.diagnostics)
