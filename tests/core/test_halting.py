"""Halting loops: text round trip, verification, and the reference values against the equations worked by hand."""

import numpy as np
import pytest

from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import parse_net, print_net, verify

TEXT = """net @act(%x: f32[1]) {{
  %0 = affine(%x) {{factor = 0.0}}: f32[1]
  %s, %n{remainder} = loop %t in 1..6 carry (%c = %0) {{
    %1 = affine(%c) {{offset = 1.0}}: f32[1]
    %2 = affine(%x): f32[1]
    halt {halt}
    yield %1
  }}: f32[1], f32[1]{type}
  return %s {{name = s}}
  return %n {{name = n}}{returned}
}}
"""
ACT = TEXT.format(
    halt="act %2 {limit = 0.01, ponder = 0.001}",
    remainder=", %r",
    type=", f32[1]",
    returned="\n  return %r {name = r}",
)
ABOVE = TEXT.replace("%2 = affine(%x)", "%2 = mul(%x, %1)").format(
    halt="above %2 {limit = 0.9, ponder = 0.0}", remainder="", type="", returned=""
)


@pytest.mark.parametrize("text", [ACT, ABOVE])
def test_halts_round_trip(text: str) -> None:
    net = verify(parse_net(text))
    assert print_net(net) == text
    assert parse_net(print_net(net)) == net


def test_act_weighs_states_by_scores_and_the_last_by_the_remainder() -> None:
    """A constant score p: states are 1, 2, 3, ...; the image halts in the first n with n p >= 0.99, or in the sixth."""
    scores = np.array([[0.4], [0.1], [0.995], [0.5]], np.float32)
    out = interpret(verify(parse_net(ACT)), {"x": scores}, {})
    assert out["n"].ravel().tolist() == [3, 6, 1, 2]
    assert np.allclose(out["r"].ravel(), [0.2, 0.5, 1.0, 0.5])
    expected = [0.4 * 1 + 0.4 * 2 + 0.2 * 3, 0.1 * (1 + 2 + 3 + 4 + 5) + 0.5 * 6, 1.0, 0.5 * 1 + 0.5 * 2]
    assert np.allclose(out["s"].ravel(), expected)


def test_above_freezes_each_place_where_it_passes() -> None:
    """The score is x times the iteration: it passes 0.9 in the first n with n x > 0.9, if there is one."""
    values = np.array([[1.0], [0.4], [0.01]], np.float32)
    out = interpret(verify(parse_net(ABOVE)), {"x": values}, {})
    assert out["n"].ravel().tolist() == [1, 3, 6]
    assert out["s"].ravel().tolist() == [1, 3, 6]


def test_a_score_that_fits_no_carry_is_refused() -> None:
    wrong = ACT.replace("%x: f32[1]", "%x: f32[2]").replace("%0 = affine(%x) {factor = 0.0}: f32[1]", "")
    with pytest.raises(CompileError):
        verify(parse_net(wrong))


def test_a_halt_outside_a_loop_is_no_text() -> None:
    with pytest.raises(CompileError, match="E0150"):
        parse_net("net @n(%x: f32[1]) {\n  halt act %x {limit = 0.1, ponder = 0.0}\n  return %x {name = y}\n}")


def test_an_unknown_way_to_halt_is_refused() -> None:
    with pytest.raises(CompileError, match="`never` is not a stopping rule; known: act, above, below"):
        parse_net(ACT.replace("halt act", "halt never"))
