"""Tables as data: titles, columns, rows and a legend, without a word of how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from itc.records import dataclass

#: What stands for a figure that does not apply.
NONE = "—"


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a column; numbers are aligned `right`, long texts of a column that may `fold` go on below."""

    title: str = ""
    right: bool = False
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts below the headings of columns; without any heading the row of headings is left out.

    The first cells of a table `by_output` are labels of outputs: further columns can be added by label.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: str = ""
    by_output: bool = False

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"each row of the table `{self.title}` has {len(self.columns)} cells")

    def beside(self, column: Column, cells: Mapping[str, str]) -> Table:
        """The table with one more column; `cells` are by the first cell of a row, empty where it has none."""
        rows = tuple((*row, cells.get(row[0], "")) for row in self.rows)
        return replace(self, columns=(*self.columns, column), rows=rows)


def facts(title: str, rows: Iterable[tuple[str, str]], legend: str = "") -> Table:
    """A table of names and values, without headings."""
    return Table(title, (Column(), Column(fold=True)), tuple(rows), legend)
