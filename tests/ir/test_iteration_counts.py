"""Loops at other numbers of iterations, against the same spec elaborated with that number."""

from __future__ import annotations

import numpy as np
import pytest

from itc import weights
from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import IterationSet, Net
from itc.ir.iteration_counts import followed, loop_names, with_iterations
from itc.source import Source
from itc_dsl import load_net

TEXT = """
@share(all)
output head(x):
    return conv(x, 2, 1)

@loop(times)
iterative refine(carry x, times):
    if iteration > 1:
        x = x + conv(x, channels(x), 1)
    y = x |> conv(channels(x), 3) |> relu
    x = x + y
    yield y

iterative total(carry s, each y):
    s = s + y

network n(times=3, exits=[1, 3]):
    input image: f32[2, 4, 5]
    x, ys = refine(image, times)
    @loss(mse, weight=iteration)
    emit y = head(x) at exits
    emit s = total(image, ys)
"""


def net(times: int, exits: object) -> Net:
    return load_net(Source("n.itn", TEXT), None, {"times": times, "exits": exits})


@pytest.mark.parametrize(
    ("chosen", "count", "new", "expected"),
    [
        ([1, 2, 3], 3, 5, [1, 2, 3, 4, 5]),
        ([2, 4], 5, 9, [2, 4, 6, 8]),
        ([2, 4, 6], 6, 3, [2]),
        ([1, 2, 4, 8], 8, 20, [1, 2, 4, 20]),
        ([1, 2, 4, 8], 8, 3, [1, 2, 3]),
        ([1, 2, 4], 8, 20, [1, 2, 4]),
        ([2, 3, 4], 4, 6, [2, 3, 4, 5, 6]),
        ([4], 4, 2, [2]),
        ([1], 4, 2, [1]),
    ],
)
def test_exits_and_conditions_follow_the_loop(chosen: list[int], count: int, new: int, expected: list[int]) -> None:
    assert list(followed(IterationSet.of(chosen), count, new)) == expected


@pytest.mark.parametrize(("new", "exits"), [(1, [1]), (2, [1, 2]), (5, [1, 5])])
def test_as_the_spec_with_that_number(new: int, exits: list[int]) -> None:
    given, wanted = net(3, [1, 3]), net(new, exits)
    drawn = weights.initial(given, 1)
    image = {"image": np.random.default_rng(0).normal(size=(2, 2, 4, 5)).astype(np.float32)}
    found = interpret(with_iterations(given, new), image, drawn)
    expected = interpret(wanted, image, {param.key: drawn[param.key] for param in wanted.params})
    assert list(found) == list(expected)
    assert all(np.array_equal(found[label], expected[label]) for label in expected)


def test_loops_have_the_names_of_their_keys() -> None:
    assert next(iter(loop_names(net(3, [1])))) == "refine"
    assert with_iterations(net(3, [1]), {"refine": 2}) == with_iterations(net(3, [1]), 2)
    assert with_iterations(net(3, [1]), 3) == net(3, [1])


def test_private_parameters_have_as_many_sets_as_they_have() -> None:
    private = load_net(
        Source(
            "n.itn",
            "@share(none)".join(TEXT.partition("@loop(times)")[::2]).replace(
                "@share(none)", "@share(none)\n@loop(times)"
            ),
        )
    )
    assert with_iterations(private, 2).params == private.params
    with pytest.raises(CompileError, match="E0422"):
        with_iterations(private, 4)


@pytest.mark.parametrize("wrong", [{"other": 3}, 0])
def test_wrong_numbers_and_names(wrong: object) -> None:
    with pytest.raises((CompileError, ValueError)):
        with_iterations(net(3, [1]), wrong)  # type: ignore[arg-type]
