"""Exits relative to the loop: `at last` and `at every(n)`."""

from __future__ import annotations

import pytest

from itc.diagnostics import CompileError
from itc.source import Source
from itc_dsl import load_net

SPEC = """
@share(all)
output head(x):
    return conv(x, 2, 1)

@loop(times)
iterative refine(carry x, times):
    x = x + conv(x, channels(x), 3)

network n(times=4{more}):
    input image: f32[3, 6, 5]
    x = refine(image, times)
    emit y = head(x) at {at}
"""


def exits(at: str, times: int = 4, more: str = "") -> list[int]:
    (output,) = load_net(Source("n.itn", SPEC.format(at=at, more=more)), None, {"times": times}).outputs
    assert output.at
    return list(output.at)


@pytest.mark.parametrize(
    ("at", "times", "expected"),
    [("last", 4, [4]), ("last", 7, [7]), ("every(2)", 5, [2, 4]), ("every(3)", 9, [3, 6, 9]), ("every(1)", 2, [1, 2])],
)
def test_exits_follow_the_loop(at: str, times: int, expected: list[int]) -> None:
    assert exits(at, times) == expected


def test_variables_of_these_names_are_variables() -> None:
    assert exits("last", more=", last=[1, 3]") == [1, 3]


@pytest.mark.parametrize("at", ["every(0)", "every(5)", "every()", "every(1, 2)", "every(n=2)"])
def test_distances_that_give_no_exits(at: str) -> None:
    with pytest.raises(CompileError, match="E0404"):
        exits(at)


def test_unknown_names_in_a_distance() -> None:
    with pytest.raises(CompileError, match="E0201"):
        exits("every(k)")
