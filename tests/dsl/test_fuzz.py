"""Whatever is done to an input, it gives a result or coded diagnostics, never another exception, a hang or 1 GiB."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc_dsl import parse_setting
from itc_dsl.errors import CODES
from tests.fuzz import bounds, texts
from tests.fuzz.targets import TARGETS

FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=2000)
OTHERS = sorted(set(TARGETS) - {"s", "t"})
RANDOM = st.randoms(use_true_random=False)


@pytest.fixture(autouse=True, scope="module")
def _bounded() -> Iterator[None]:
    with bounds.at_most(beside=bounds.address_space()):
        yield


def explains(letter: str, rng: Random) -> None:
    target = TARGETS[letter]
    text = target.mutated(rng.choice(target.seeds()), rng)
    with bounds.in_time():
        codes = target.explains(text)
    assert letter != "s" or set(codes) <= set(CODES)


@given(RANDOM)
@FEW
def test_mutated_specs(rng: Random) -> None:
    explains("s", rng)


@pytest.mark.long
@given(RANDOM)
@MANY
def test_many_mutated_specs(rng: Random) -> None:
    explains("s", rng)


@pytest.mark.long
@given(RANDOM)
@FEW
def test_mutated_specs_on_machines(rng: Random) -> None:
    explains("t", rng)


@pytest.mark.parametrize("letter", OTHERS)
@given(rng=RANDOM)
@FEW
def test_other_inputs(letter: str, rng: Random) -> None:
    explains(letter, rng)


@pytest.mark.long
@pytest.mark.parametrize("letter", OTHERS)
@given(rng=RANDOM)
@MANY
def test_many_other_inputs(letter: str, rng: Random) -> None:
    explains(letter, rng)


@given(RANDOM)
@MANY
def test_noise(rng: Random) -> None:
    text = texts.random_text(rng, TARGETS["s"].words)
    assert set(TARGETS["s"].explains(text)) <= set(CODES)
    try:
        parse_setting(text)
    except CompileError as error:
        assert all(d.code in CODES for d in error.diagnostics)


def test_an_exception_is_a_find() -> None:
    target = TARGETS["m"]
    with pytest.raises(ZeroDivisionError):
        type(target)(lambda text: print(1 / len(text)), target.seeds, ()).explains("")


def test_the_bounds_hold() -> None:
    with pytest.raises(TimeoutError), bounds.in_time(0.05):
        while True:
            pass
    with pytest.raises(MemoryError):
        bytes(8 * bounds.BYTES)


@pytest.mark.long
def test_a_net_of_most_operations_takes_less_than_the_bounds() -> None:
    lines = ["@loop(max=2)", "@halt(above=0.5)", "iterative r(carry x):", "    x = x |> conv(4, 1)"]
    lines += ["    halt global_pool(x) |> linear(1)", "network n():", "    input i: f32[4, 8, 8]"]
    lines += ["    x = i", "    for k in range(4000):", "        x = r(x)", "    emit y = x"]
    with bounds.in_time():
        assert TARGETS["s"].explains("\n".join(lines)) == ()
