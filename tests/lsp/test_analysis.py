"""The analysis behind the language server: malformed texts, positions, references, hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

import itc
from itc.source import Source
from itc_lsp import analyse
from itc_lsp.completion import complete
from itc_lsp.edits import Refused, formatted, renamed
from itc_lsp.figures import executed
from itc_lsp.hover import hints, hover
from itc_lsp.positions import offset, position

ITNET = Path(__file__).parents[2] / "examples" / "itnet.itn"
TEXT = ITNET.read_text()
EVERYWHERE = types.Range(types.Position(0, 0), types.Position(10_000, 0))


def everything(text: str) -> None:
    """All that an editor asks at the end of a text."""
    found = analyse(text, ITNET, networks=1)
    at = position(found.source, len(text))
    assert hover(found, at) is None or found.tree
    assert complete(found, found, at)
    hints(found, EVERYWHERE)
    formatted(found)


def test_typing_a_network() -> None:
    for end in range(0, len(TEXT), 97):
        everything(TEXT[:end])


@pytest.mark.long
def test_typing_a_network_by_each_key() -> None:
    network = TEXT.index("data pyramid")
    for end in range(network, TEXT.index("itnet_independent")):
        everything(TEXT[network:end])


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40), st.data())
def test_positions_and_offsets(text: str, data: st.DataObject) -> None:
    source = Source("x", text)
    at = data.draw(st.integers(0, len(text)))
    assert offset(source, position(source, at)) == at


def test_columns_are_of_utf_16() -> None:
    source = Source("x", "a𝄞b\nc")
    assert position(source, 2) == types.Position(0, 3)
    assert offset(source, types.Position(0, 3)) == 2
    assert offset(source, types.Position(0, 99)) == 3
    assert offset(source, types.Position(9, 0)) == 5


def test_figures_are_those_of_the_costs() -> None:
    net = itc.load(ITNET)
    macs = sum(times * apply.op.macs(*net.ir.operand_types(apply)) for apply, times in executed(net.ir))
    assert macs == net.cost().macs
    found = analyse(TEXT, ITNET)
    at = position(found.source, TEXT.index("network itnet(") + len("network "))
    answer = hover(found, at)
    assert answer is not None
    assert "6,210,304,200 MACs, 181,117 parameters" in answer.contents.value


RENAMED = """block twice(x, k=1):
    y = x * k
    return y + y

network n(k=2):
    input x: f32[4]
    emit z = twice(x, k=k)

network m = n(k=3)
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("k=1", [(0, 15), (1, 12), (6, 22)]),  # the parameter of the block, and the name of the argument
        ("k=2", [(4, 10), (6, 24), (8, 14)]),  # the parameter of the network, its use, and the override
        ("y = x", [(1, 4), (2, 11), (2, 15)]),
        ("twice(x, k=1", [(0, 6), (6, 13)]),
    ],
)
def test_references(words: str, expected: list[tuple[int, int]]) -> None:
    found = analyse(RENAMED, ITNET)
    assert found.diagnostics == ()
    edits = renamed(found, position(found.source, RENAMED.index(words)), "other")
    assert [(edit.range.start.line, edit.range.start.character) for edit in edits] == expected


def test_names_that_would_change_the_spec_are_refused() -> None:
    found = analyse(RENAMED, ITNET)
    for name in ("x", "n", "if", "1a", ""):
        with pytest.raises(Refused):
            renamed(found, position(found.source, RENAMED.index("y = x")), name)


def test_comments_are_shown_as_text() -> None:
    text = "# <script>alert(1)</script> [a](http://b) *c*\n" + RENAMED
    found = analyse(text, ITNET)
    answer = hover(found, position(found.source, text.index("twice(x, k=k")))
    assert answer is not None
    assert "<script>" not in answer.contents.value
    assert r"\[a\]\(http" in answer.contents.value
