"""Loops that halt, from the text of a spec to their values: by hand for numbers, and what the net then hands out."""

from __future__ import annotations

import numpy as np
import pytest

from itc.interpreter import interpret
from itc.ir import Halt, Loop, Net
from itc.source import Source
from itc_dsl import load_net

COUNT = """
@loop(max=most)
@halt({halt})
iterative count(carry n, p, most):
    n = n + 1
    halt {score}

network net(most=6):
    input p: f32[1]
    emit n = count(p - p, p, most=most)
"""


def counting(halt: str, score: str = "p + (n - n)") -> Net:
    return load_net(Source("count.itn", COUNT.format(halt=halt, score=score)))


def halting(net: Net) -> Halt:
    (halt,) = (s.halt for s in net.body if isinstance(s, Loop))
    assert halt
    return halt


def test_act_weighs_states_and_hands_out_how_long_each_image_ran() -> None:
    net = counting("act")
    assert net.labels == ("n", "count.iterations", "count.remainder")
    assert [output.loss for output in net.outputs] == ["", "", ""]
    out = interpret(net, {"p": np.array([[0.4], [0.1], [0.995]], np.float32)}, {})
    assert out["count.iterations"].ravel().tolist() == [3, 6, 1]
    assert np.allclose(out["count.remainder"].ravel(), [0.2, 0.5, 1])
    assert np.allclose(out["n"].ravel(), [0.4 + 0.8 + 0.2 * 3, 0.1 * 15 + 0.5 * 6, 1])


@pytest.mark.parametrize(("halt", "expected"), [("above=2.5", [6, 4, 2]), ("below=2.5", [1, 1, 1])])
def test_thresholds_freeze_what_has_passed(halt: str, expected: list[int]) -> None:
    net = counting(halt, score="n * p")
    assert net.labels == ("n", "count.iterations")
    out = interpret(net, {"p": np.array([[0.1], [0.7], [1.5]], np.float32)}, {})
    assert out["n"].ravel().tolist() == out["count.iterations"].ravel().tolist() == expected


def test_defaults_and_numbers_of_the_annotation() -> None:
    assert (halting(counting("act")).limit, halting(counting("act")).ponder) == (0.01, 0.001)
    written = halting(counting("act, epsilon=1 / 8, ponder=most / 2"))
    assert (written.limit, written.ponder) == (0.125, 3)
    assert halting(counting("below=-1")).limit == -1


def test_the_maximum_can_be_set() -> None:
    net = load_net(Source("count.itn", COUNT.format(halt="act", score="p + (n - n)")), settings={"most": 2})
    out = interpret(net, {"p": np.array([[0.4]], np.float32)}, {})
    assert out["count.iterations"].ravel().tolist() == [2]
