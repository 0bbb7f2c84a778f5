"""Writes the LALR tables that ship with the language: `tools/grammar_tables.py`, after any change of `grammar.lark`."""

from __future__ import annotations

import json

from itc_dsl.grammar_tables import GRAMMAR, TABLES, tables


def main() -> None:
    """Writes one line of JSON for each state and symbol, so that a change of the grammar is a small difference."""
    fields = []
    for name, value in tables(GRAMMAR.read_text(encoding="utf-8")).items():
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) if isinstance(value, list) else ""
        fields.append(f'"{name}": [\n{lines}\n]' if lines else f'"{name}": {json.dumps(value)}')
    TABLES.write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
