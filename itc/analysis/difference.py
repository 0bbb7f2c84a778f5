"""Differences of two nets: parameters by key, and rows of structure, aligned by operation and parameter keys.

Rows are aligned in order, first by operation and parameter keys, then, between aligned rows, by operation only. Aligned
rows may differ in their facts, in their enclosing statements, or in the rows that they read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from itc.analysis.cost import Cost, cost
from itc.analysis.rows import Row, rows
from itc.ir.net import Net, Param
from itc.ir.printer import attributes_text
from itc.records import dataclass

Key = Callable[[Row], Hashable]


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the first net (`a`), of the second (`b`), or a pair; `facts` are the differing ones, `""` if absent."""

    a: Row | None
    b: Row | None
    facts: dict[str, tuple[str, str]]

    @property
    def row(self) -> Row:
        row = self.b or self.a
        assert row
        return row

    @property
    def kind(self) -> str:
        return "added" if self.a is None else "removed" if self.b is None else "changed" if self.facts else "same"

    def json(self) -> dict[str, Any]:
        sides = {name: row and row.label for name, row in (("a", self.a), ("b", self.b))}
        facts = {name: {"a": a, "b": b} for name, (a, b) in self.facts.items()}
        return {"change": self.kind, **sides, "inside": list(self.row.inside), "facts": facts}


@dataclass(frozen=True)
class Difference:
    """The comparison of two nets; `rows` are all rows of both, in order."""

    a: Net
    b: Net
    params: tuple[tuple[str, str, str], ...]
    rows: tuple[Change, ...]

    @property
    def same(self) -> bool:
        """Whether the nets are equal up to the names of values."""
        return not self.params and not self.changes

    @property
    def changes(self) -> list[Change]:
        return [change for change in self.rows if change.kind != "same"]

    @cached_property
    def costs(self) -> tuple[Cost, Cost]:
        return cost(self.a), cost(self.b)

    def json(self) -> dict[str, Any]:
        """JSON-ready values; the keys are in docs/json.md."""
        return {
            "a": self.a.name,
            "b": self.b.name,
            "same": self.same,
            "params": [{"key": key, "a": a or None, "b": b or None} for key, a, b in self.params],
            "structure": [change.json() for change in self.changes],
            "cost": {name: figures.json() for name, figures in zip("ab", self.costs, strict=True)},
        }


def difference(a: Net, b: Net) -> Difference:
    """The differences of two nets."""
    return Difference(a, b, tuple(_params(a, b)), tuple(_Aligned(rows(a), rows(b)).changes()))


def _params(a: Net, b: Net) -> Iterator[tuple[str, str, str]]:
    """Key and both texts of each parameter that is missing in one net or differs."""
    for key in dict.fromkeys((*a.param, *b.param)):
        first, second = (_param_text(net.param[key]) if key in net.param else "" for net in (a, b))
        if first != second:
            yield key, first, second


def _param_text(param: Param) -> str:
    sets = "".join(f"{count} x " for count in param.sets)
    return f"{sets}{param.type}" + attributes_text({"role": param.role, "init": param.init})


def _by_key(row: Row) -> Hashable:
    return row.what, row.name, row.facts.get("parameters")


def _by_operation(row: Row) -> Hashable:
    return row.what


class _Aligned:
    """The rows of two nets, and the correspondence of their values."""

    def __init__(self, a: list[Row], b: list[Row]) -> None:
        self.a, self.b = a, b
        self.values: dict[str, str] = {}
        self.givers = [{name: row.label for row in rows for name in row.gives} for rows in (a, b)]

    def changes(self) -> Iterator[Change]:
        pairs = list(_align(self.a, self.b, (_by_key, _by_operation)))
        for a, b in pairs:
            if a and b:
                self.values.update(zip(a.gives, b.gives, strict=False))
        return (Change(a, b, self.facts(a, b) if a and b else {}) for a, b in pairs)

    def facts(self, a: Row, b: Row) -> dict[str, tuple[str, str]]:
        """The differing facts of two aligned rows."""
        names = dict.fromkeys((*a.facts, *b.facts))
        out = {name: (a.facts.get(name, ""), b.facts.get(name, "")) for name in names}
        out["name"], out["inside"] = (a.name, b.name), (" > ".join(a.inside), " > ".join(b.inside))
        if tuple(self.values.get(name) for name in a.reads) != b.reads:
            out["reads"] = self.read(0, a), self.read(1, b)
        return {name: both for name, both in out.items() if both[0] != both[1]}

    def read(self, side: int, row: Row) -> str:
        return ", ".join(f"%{name} ({self.givers[side][name]})" for name in row.reads)


def _align(a: Sequence[Row], b: Sequence[Row], keys: tuple[Key, ...]) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows of both in order: pairs aligned by the first of `keys`, the others by the next keys."""
    if not keys:
        yield from ((row, None) for row in a)
        yield from ((None, row) for row in b)
        return
    first, second = [keys[0](row) for row in a], [keys[0](row) for row in b]
    if first == second:
        yield from zip(a, b, strict=True)
        return
    for tag, i, i_end, j, j_end in SequenceMatcher(None, first, second).get_opcodes():
        if tag == "equal":
            yield from zip(a[i:i_end], b[j:j_end], strict=True)
        else:
            yield from _align(a[i:i_end], b[j:j_end], keys[1:])
