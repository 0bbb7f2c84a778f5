"""The text form of the IR: an exact round trip for every net, and diagnostics, no traceback, for any other text."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itc.analysis.cost import cost
from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import Apply, Loop, Net, SeriesType, parse_net, print_net, verify, walk
from itc.ir.parser import MAX_CHARACTERS
from tests.random_nets import nets, on_random_nets, random_inputs, random_weights

TOKEN = re.compile(r"[%@]?[A-Za-z0-9_.]+|\s+|.", re.DOTALL)
STRANGE = (
    "0",
    "-1",
    "1",
    "2",
    "3",
    "99999999999999999999999",
    "nan",
    "-inf",
    "1.5",
    "%0",
    "@x",
    "{",
    "}",
    "[",
    "true",
    '"',
    "\0",
    "é",
)


@on_random_nets
@given(nets())
def test_text_reads_back_as_the_same_net(net: Net) -> None:
    text = print_net(net)
    again = parse_net(text)
    assert again == net
    assert print_net(again) == text
    verify(again)


@st.composite
def broken_texts(draw: Any) -> str:
    """The text of a net with a few tokens dropped, repeated, moved or replaced."""
    tokens = TOKEN.findall(print_net(draw(nets())))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(tokens) - 1))
        other = draw(st.one_of(st.sampled_from(STRANGE), st.sampled_from(tokens)))
        tokens[at : at + draw(st.integers(0, 2))] = [other] * draw(st.integers(0, 2))
        if not tokens:
            break
    return "".join(tokens)


@on_random_nets
@given(broken_texts())
def test_broken_text_gives_diagnostics_only(text: str) -> None:
    try:
        net = verify(parse_net(text))
    except CompileError as error:
        assert all(re.fullmatch(r"E01\d\d", diagnostic.code) for diagnostic in error.diagnostics)
        return
    assert parse_net(print_net(net)) == net
    cost(net)
    if small(net):
        outputs = interpret(net, random_inputs(net), random_weights(net))
        assert {label: list(array.shape[1:]) for label, array in outputs.items()} == shapes(net)


def small(net: Net) -> bool:
    """Whether the interpreter gets through a mutated net quickly."""
    made = [s.result for s in walk(net.body) if isinstance(s, Apply)] + list(net.inputs)
    weights = sum(param.size for param in net.params)
    runs = prod(s.count for s in walk(net.body) if isinstance(s, Loop))
    return max((v.tensor.size for v in made), default=0) < 10**5 and weights < 10**5 and runs < 10**3


def shapes(net: Net) -> dict[str, list[int]]:
    types = ((output, output.value.type) for output in net.outputs)
    elements = ((output, type.element if isinstance(type, SeriesType) else type) for output, type in types)
    return {label: list(type.shape) for output, type in elements for label in output.labels}


@given(st.text() | st.text(alphabet="net @x(%a: f32[1]) {}\n=,param return"))
def test_any_text_gives_diagnostics_only(text: str) -> None:
    with pytest.raises(CompileError):
        parse_net(text)


def test_deep_nesting_is_refused() -> None:
    deep = "%a = loop %t in 1..2 carry () {" * 100
    nested = "".join(f"loop %t{n} in 1..2 carry () {{\n" for n in range(1000))
    with pytest.raises(CompileError):
        parse_net("net @x() {" + deep)
    with pytest.raises(CompileError):
        parse_net("net @x() {\n" + nested + "yield\n}" * 1000 + "\n}")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name = y", f"name = y, at = {'[' * 5000}{']' * 5000}", "nested deeper than"),
        ("name = y", 'name = y, loss = "mse", weight = [nan]', "`nan` is not a number"),
        ("name = y", 'name = y, loss = "mse", weight = [1.0e999]', "finite floating-point numbers"),
        ("name = y", 'name = y, loss = "mse", weight = ["a"]', "finite floating-point numbers"),
        ("name = y", "name = y, weight = [2.0]", "a `weight` needs a `loss`"),
        ("f32[4]", f"f32[{'1099511627776, ' * 10_000}4]", "at most 32 axes"),
    ],
    ids=["deep list", "nan", "inf", "text", "weight alone", "axes"],
)
def test_what_a_text_cannot_mean(old: str, new: str, said: str) -> None:
    text = "net @x(%a: f32[4]) {\n  return %a {name = y}\n}"
    assert print_net(parse_net(text)).strip() == text
    with pytest.raises(CompileError, match=f"E0151.*{said}"):
        parse_net(text.replace(old, new))


def test_a_text_that_is_too_long() -> None:
    text = "net @x(%a: f32[4]) {\n  return %a {name = y}\n}"
    parse_net(text.ljust(MAX_CHARACTERS))
    with pytest.raises(CompileError, match=r"E0539.*at most 1,000,000 characters"):
        parse_net(text.ljust(MAX_CHARACTERS + 1))
