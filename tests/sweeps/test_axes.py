"""The values that settings go through, and what is said about those that are not understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from itc.diagnostics import CompileError, render
from itc.sweeps.axes import MAX_POINTS, grid, parse_axes
from tests.conftest import Golden


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f=16..19", [16, 17, 18, 19]),
        ("f=16..20..3", [16, 19]),
        ("f=-1..1", [-1, 0, 1]),
        ("n=1,2,4", [1, 2, 4]),
        ("n=1..3, 7 ,9..10", [1, 2, 3, 7, 9, 10]),
        ("rate=0.1..0.5..0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("rate=0..1..0.5", [0.0, 0.5, 1.0]),
        ("refine.share=all,none,every(2)", ["all", None, "every(2)"]),
        ("exits=[1, 2],[3]", [[1, 2], [3]]),
        ("name='a..b','c,d'", ["a..b", "c,d"]),
    ],
)
def test_values(text: str, expected: list[object]) -> None:
    (values,) = parse_axes([text]).values()
    assert list(values) == expected


def test_the_last_axis_changes_first_and_a_name_takes_its_last_values() -> None:
    points = list(grid(parse_axes(["f=1..9", "n=1,2", "f=3..4"])))
    assert points == [{"n": 1, "f": 3}, {"n": 1, "f": 4}, {"n": 2, "f": 3}, {"n": 2, "f": 4}]


WRONG = [
    ["f=64..16"],
    ["f=0.1..0.5"],
    ["f=1.."],
    ["f=0..1..0"],
    ["f=a..b", "f"],
    ["f="],
    [f"f=1..{MAX_POINTS + 1}"],
    ["f=1..999999999999999", "g=1"],
    ["f=1..999999999999999,1"],
    ["f=0..1..0.000000000000001"],
    ["f=1..1000", "g=1..1000"],
]


def test_what_is_said_about_wrong_ones(golden: Golden) -> None:
    said = []
    for texts in WRONG:
        with pytest.raises(CompileError) as raised:
            parse_axes(texts)
        said.append(render(raised.value.diagnostics))
    golden(Path(__file__).parent / "golden" / "axes.err", "\n\n".join(said))
