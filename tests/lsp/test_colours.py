"""The lexer of Pygments and the grammar of the VS Code extension know the words of the language."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pygments.token import Comment, Error, Keyword, Name

from itc_dsl.program import STD
from itc_lsp.lexer import SpecLexer
from itc_lsp.words import ANNOTATIONS, CONSTANTS, DEFINITIONS, KEYWORDS, ROLES, STATEMENTS

ROOT = Path(__file__).parents[2]
SPECS = [*sorted((ROOT / "examples").glob("*.itn")), *sorted(STD.glob("*.itn"))]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_is_coloured_whole(path: Path) -> None:
    text = path.read_text()
    tokens = [*SpecLexer(stripnl=False, ensurenl=False).get_tokens(text)]
    assert "".join(value for _, value in tokens) == text
    assert Error not in {kind for kind, _ in tokens}


def test_words_are_coloured_by_what_they_are() -> None:
    text = "network n:  # data\n    input data: f32[4]\n    emit y = relu(data)\n"
    tokens = {value: kind for kind, value in SpecLexer().get_tokens(text)}
    assert (tokens["network"], tokens["emit"]) == (Keyword.Declaration, Keyword)
    assert (tokens["data"], tokens["relu"], tokens["# data"]) == (Name, Name.Function, Comment.Single)


def test_the_grammar_reserves_these_words() -> None:
    grammar = (STD.parent / "grammar.lark").read_text()
    (reserved,) = re.findall(r"^NAME: /\(\?!\(\?:([a-z|]+)\)", grammar, re.MULTILINE)
    assert {*reserved.split("|")} == {*KEYWORDS} - {*DEFINITIONS, "at"}


def test_the_extension_is_consistent() -> None:
    folder = ROOT / "editors" / "vscode"
    if not folder.exists():
        pytest.skip("not in a wheel")
    package = json.loads((folder / "package.json").read_text())
    assert (folder / package["main"]).exists()
    contributes = package["contributes"]
    for path in (contributes["languages"][0]["configuration"], contributes["grammars"][0]["path"]):
        json.loads((folder / path).read_text())
    grammar = (folder / contributes["grammars"][0]["path"]).read_text()
    for words in (DEFINITIONS, STATEMENTS, ROLES, CONSTANTS, ANNOTATIONS):
        assert f"({'|'.join(words)})" in grammar
