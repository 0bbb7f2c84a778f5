"""Whatever is done to a spec, loading it gives a net or coded diagnostics, never another exception."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc.ir import parse_net, print_net
from itc.source import Source
from itc_dsl import load_net, parse_setting
from itc_dsl.errors import CODES

HERE = Path(__file__).parent
SMALL = {"height=360, width=480": "height=36, width=48", "iterations=16": "iterations=4", ", 6, 8, 10, 12, 16]": "]"}
PIECES = re.compile(r"\w+|\|>|\*\*|//|[^\w\s]|\n[ ]*|[ ]+")
WORDS = [
    "0", "1", "2", "7", "2.5", "10**9", "2**70", "[1,2]", "none", "true", "all", "iteration", "x", "state",
    "image", "relu", "conv", "batch_norm", "resize", "concat", "linear", "global_pool", "zeros", "identity",
    "range", "zip", "len", "shape", "channels", "min", "|>", "+", "-", "*", "/", "//", "**", "%", "<", "==",
    "in", "not", "and", "or", "if", "else", "for", "return", "yield", "emit", "halt", "input", "at", "carry",
    "each", "(", ")", "[", "]", ",", ":", "=", ".", "@share(none)", "@loop(2)", "@share(calls)", "@loss(mse)",
    "name='q'", "block", "output", "iterative", "data", "network", "from", "\n", "\n    ", "\n        ", "\t",
    "\x00", "é", "$", "#",
]  # fmt: skip


def specs() -> list[str]:
    """The example, made small, and the specs of the tests that are not hostile in themselves."""
    itnet = (HERE.parent.parent / "examples" / "itnet.itn").read_text()
    for text, smaller in SMALL.items():
        assert text in itnet
        itnet = itnet.replace(text, smaller)
    return [itnet, itnet, *(path.read_text() for path in sorted((HERE / "specs").glob("*.itn")))]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A spec with one to five of its words and signs deleted, replaced, doubled or swapped."""
    pieces = PIECES.findall(draw(st.sampled_from(specs())))
    for _ in range(draw(st.integers(1, 5))):
        at, other = (draw(st.integers(0, len(pieces) - 1)) for _ in range(2))
        match draw(st.sampled_from(["delete", "insert", "replace", "name", "copy", "swap"])):
            case "delete":
                del pieces[at : at + draw(st.integers(1, 4))]
            case "insert":
                pieces.insert(at, draw(st.sampled_from(WORDS)))
            case "replace":
                pieces[at] = draw(st.sampled_from(WORDS))
            case "name":
                names = [i for i, piece in enumerate(pieces) if piece.isidentifier() or piece.isdigit()]
                pieces[draw(st.sampled_from(names))] = draw(st.sampled_from([pieces[i] for i in names] + WORDS[:24]))
            case "copy":
                pieces[at] = pieces[other]
            case "swap":
                pieces[at], pieces[other] = pieces[other], pieces[at]
    return "".join(pieces)


def loads_or_explains(text: str) -> None:
    try:
        net = load_net(Source("fuzzed.itn", text))
    except CompileError as error:
        assert error.diagnostics
        assert all(d.code in CODES and str(d.code) in str(error) for d in error.diagnostics)
    else:
        assert parse_net(print_net(net)) == net


@given(mutated())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutated_specs(text: str) -> None:
    loads_or_explains(text)


@pytest.mark.long
@given(mutated())
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_mutated_specs(text: str) -> None:
    loads_or_explains(text)


@given(st.text(st.sampled_from("\t\n\r ()[]{},:=.|>*/%+-<!@#'\"_abemnort019é\x00"), max_size=60))
@settings(max_examples=200, deadline=None)
def test_noise(text: str) -> None:
    loads_or_explains(text)
    try:
        parse_setting(text)
    except CompileError as error:
        assert all(d.code in CODES for d in error.diagnostics)
