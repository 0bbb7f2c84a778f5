"""The parser's LALR tables as data: `grammar.json` ships with the package, so that no start computes them.

The file is plain JSON (no pickle), numbered canonically, and valid for one grammar and one release of Lark;
`tools/grammar_tables.py` writes it. Where either differs, Lark computes the tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import lark
from lark import Lark
from lark.common import LexerConf
from lark.grammar import Rule
from lark.lexer import ContextualLexer, TerminalDef

from itc_dsl.layout import Layout

GRAMMAR = Path(__file__).parent / "grammar.lark"
TABLES = Path(__file__).parent / "grammar.json"
#: Terminals that match the same texts: names, and words that are keywords in some places only.
WORDS = frozenset({"NAME", "_ITN", "BLOCK", "DATA", "ITERATIVE", "OUTPUT", "NETWORK", "_AT"})
#: Options that Lark needs to build the tables, and those it takes again when it loads them.
BUILDING: dict[str, Any] = {"parser": "lalr", "lexer": "contextual", "start": ["start", "setting"]}
LOADING: dict[str, Any] = {"propagate_positions": True, "maybe_placeholders": False}
#: The actions of a table of Lark.
SHIFT, REDUCE = 0, 1


class FewScanners(ContextualLexer):
    """A scanner for each set of words that a state accepts, of which there are few, instead of one for each state.

    Other terminals match no text of another, so that a state may scan for those that it does not accept. Lark would
    compile 48 regular expressions, which takes longer than all of the parsing.
    """

    def __init__(
        self, conf: LexerConf, states: dict[int, Collection[str]], always_accept: Collection[str] = ()
    ) -> None:
        others = {terminal.name for terminal in conf.terminals} - WORDS
        accepted: dict[int, Collection[str]] = {state: others | (WORDS & set(names)) for state, names in states.items()}
        super().__init__(conf, accepted, always_accept)


PLUGINS = {"ContextualLexer": FewScanners}


def parser() -> Lark:
    """The parser of specs, from the shipped tables where they are of this grammar and of this Lark."""
    text = GRAMMAR.read_text(encoding="utf-8")
    try:
        tables = json.loads(TABLES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return computed(text)
    return _loaded(tables) if tables["key"] == key(text) else computed(text)


def computed(grammar: str) -> Lark:
    """The parser with tables that Lark computes."""
    return Lark(grammar, postlex=Layout(), _plugins=PLUGINS, **BUILDING, **LOADING)


def key(grammar: str) -> str:
    """Identifies what the tables depend on."""
    parts = (lark.__version__, sorted((BUILDING | LOADING).items()), Layout.always_accept, grammar)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def tables(grammar: str) -> dict[str, Any]:
    """The tables of a grammar as JSON-ready data, the same in every process."""
    data, symbols = computed(grammar).memo_serialize([TerminalDef, Rule])
    parse = data["parser"]["parser"]
    order = _canonical(parse)
    names = sorted(parse["tokens"].values())
    number = {token: names.index(name) for token, name in parse["tokens"].items()}
    return {
        "key": key(grammar),
        "tokens": names,
        "start": {start: order[state] for start, state in sorted(parse["start_states"].items())},
        "end": {start: order[state] for start, state in sorted(parse["end_states"].items())},
        "states": [_row(parse["states"][state], number, order) for state in order],
        "ignore": sorted(data["parser"]["lexer_conf"]["ignore"]),
        "terminals": [each["@"] for each in data["parser"]["lexer_conf"]["terminals"]],
        "rules": [each["@"] for each in data["rules"]],
        "symbols": [symbols[i] for i in range(len(symbols))],
    }


def _canonical(parse: dict[str, Any]) -> dict[int, int]:
    """A number for each state: breadth first from the starts, over tokens by name."""
    order: dict[int, int] = {}
    queue = [state for _, state in sorted(parse["start_states"].items())]
    for state in queue:
        if state in order:
            continue
        order[state] = len(order)
        row = sorted(parse["states"][state].items(), key=lambda entry: parse["tokens"][entry[0]])
        queue += [target for _, (action, target) in row if action == SHIFT]
    return order


def _row(row: dict[int, Any], number: dict[int, int], order: dict[int, int]) -> list[int]:
    """Tokens and targets in turn: the state after a shift, or -1 - r to reduce by the rule r."""
    entries = [(number[token], action, target) for token, (action, target) in row.items()]
    pairs = (
        (token, order[to] if action == SHIFT else -1 - to["@"]) for token, action, to in sorted(entries, key=_token)
    )
    return [each for pair in pairs for each in pair]


def _token(entry: tuple[int, int, Any]) -> int:
    return entry[0]


def _loaded(tables: dict[str, Any]) -> Lark:
    """The parser of `tables`, by Lark's own loader."""
    lexer = {
        "terminals": _references(tables["terminals"]),
        "ignore": tables["ignore"],
        "g_regex_flags": 0,
        "use_bytes": False,
        "lexer_type": BUILDING["lexer"],
    }
    parse = {
        "tokens": dict(enumerate(tables["tokens"])),
        "states": {state: _actions(row) for state, row in enumerate(tables["states"])},
        "start_states": tables["start"],
        "end_states": tables["end"],
    }
    rules = _references(tables["rules"])
    conf = {"rules": rules, "start": BUILDING["start"], "parser_type": BUILDING["parser"]}
    data = {
        "parser": {"lexer_conf": lexer, "parser_conf": conf, "parser": parse},
        "rules": rules,
        "options": BUILDING | LOADING,
    }
    symbols = dict(enumerate(tables["symbols"]))
    loaded: Lark = Lark._load_from_dict(data, symbols, postlex=Layout(), _plugins=PLUGINS)  # type: ignore[no-untyped-call]
    return loaded


def _references(numbers: list[int]) -> list[dict[str, int]]:
    return [{"@": number} for number in numbers]


def _actions(row: list[int]) -> dict[int, tuple[int, Any]]:
    pairs = zip(row[::2], row[1::2], strict=True)
    return {token: (SHIFT, to) if to >= 0 else (REDUCE, {"@": -1 - to}) for token, to in pairs}
