"""The parser's tables that ship with the language: those of the grammar, read from plain data, and without effect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from itc.source import Source
from itc_dsl import grammar_tables, parse, print_ast
from itc_dsl.grammar_tables import GRAMMAR, TABLES, computed, key, tables

ROOT = Path(__file__).parents[2]
TEXT = GRAMMAR.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_grammar() -> None:
    assert json.loads(TABLES.read_text(encoding="utf-8")) == json.loads(json.dumps(tables(TEXT))), (
        "run tools/grammar_tables.py"
    )


def test_trees_are_those_of_computed_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    from itc_dsl import parser

    spec = ROOT / "examples" / "recurrent_unet.itn"
    source = Source("spec.itn", spec.read_text(encoding="utf-8"))
    tree = print_ast(parse(source))
    monkeypatch.setattr(parser, "lark", lambda: computed(TEXT))
    assert print_ast(parse(source)) == tree


def test_tables_of_another_grammar_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    monkeypatch.setattr(grammar_tables, "computed", used.append)
    monkeypatch.setattr(grammar_tables, "TABLES", tmp_path / "grammar.json")
    grammar_tables.parser()
    (tmp_path / "grammar.json").write_text('{"key": "of another release"}')
    grammar_tables.parser()
    assert used == [TEXT, TEXT]
    assert key(TEXT) != key(TEXT + "\n")


def test_a_state_scans_as_lark_would() -> None:
    """Words that are keywords in some places only are told from names by the state; others match no text of another."""
    lexer = computed(TEXT).parser.lexer.lexer
    assert 1 < len({id(each) for each in lexer.lexers.values()}) < 10
    assert parse(Source("x", "network n:\n    input at: f32[3, 8, 8]\n    emit data = relu(at)\n"))
