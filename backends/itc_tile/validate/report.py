"""The report of a validation: predicted against expected figures of each row, and summaries of the errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from itc.diagnostics import fail
from itc.tables import Column, Table, facts
from itc_tile.layers.cost import LayerCost, StepMemory, Volumes, layer_cost, step_memory
from itc_tile.layers.vertices import amp_1x1
from itc_tile.machine.model import Machine
from itc_tile.validate.accuracy import Errors, errors, rank_correlation, refitted_errors, regression_errors
from itc_tile.validate.bound import lower_bound
from itc_tile.validate.rows import LayerRow, Rows, VertexRow, read_rows


@dataclass(frozen=True)
class PricedRow:
    """A row with its predicted figures."""

    row: LayerRow
    costs: tuple[LayerCost, ...]
    memory: StepMemory
    bound: int

    @property
    def cycles(self) -> int:
        return sum(cost.phases.cycles for cost in self.costs)

    def json(self) -> dict[str, Any]:
        expected = self.row.expected
        phases = [cost.phases.by_name for cost in self.costs]
        return {
            "name": self.row.name,
            "cycles": self.cycles,
            "expected_cycles": expected.cycles,
            "bytes": self.memory.total,
            "expected_bytes": expected.total,
            "fullest_bytes": self.memory.fullest,
            "expected_fullest_bytes": expected.fullest,
            "bound_cycles": self.bound,
            "phases": {name: sum(each[name] for each in phases) for name in phases[0]},
            "layers": [
                {
                    "role": cost.layer.role,
                    "cycles": cost.phases.cycles,
                    "vertex": cost.vertex,
                    "splits": cost.splits,
                    "serial": list(cost.serial),
                    "tiles": cost.tiles,
                }
                for cost in self.costs
            ],
        }


@dataclass(frozen=True)
class LayerReport:
    """Rows of layers on a machine."""

    machine: str
    tiles: int
    kind: str
    rows: tuple[PricedRow, ...]

    def errors(self, predicted: Callable[[PricedRow], int], expected: Callable[[LayerRow], int]) -> Errors:
        """The errors of a figure."""
        figures = [(predicted(row), expected(row.row)) for row in self.rows]
        return errors(*np.array(figures, float).T)

    @property
    def cycles(self) -> Errors:
        return self.errors(lambda row: row.cycles, lambda row: row.expected.cycles)

    @property
    def memory(self) -> Errors:
        return self.errors(lambda row: row.memory.total, lambda row: row.expected.total)

    @property
    def fullest(self) -> Errors:
        return self.errors(lambda row: row.memory.fullest, lambda row: row.expected.fullest)

    @property
    def rank_correlation(self) -> float | None:
        figures = np.array([(row.cycles, row.row.expected.cycles) for row in self.rows], float)
        return rank_correlation(*figures.T)

    @property
    def refitted(self) -> Errors | None:
        """Leave-one-out errors of cycles, with the fitted constants fitted to the other rows."""
        volumes = [_sum([cost.volumes for cost in row.costs]) for row in self.rows]
        known = [
            sum(cost.phases.compute + cost.phases.reduce + cost.phases.cast for cost in row.costs) for row in self.rows
        ]
        expected = [row.row.expected.cycles for row in self.rows]
        return refitted_errors(np.array(known, float), volumes, np.array(expected, float))

    @property
    def regression(self) -> Errors | None:
        return regression_errors(tuple(row.row for row in self.rows), self.tiles)

    def json(self) -> dict[str, Any]:
        summary = {
            "cycles": self.cycles,
            "bytes": self.memory,
            "fullest_bytes": self.fullest,
            "refitted": self.refitted,
            "regression": self.regression,
        }
        return {
            "machine": self.machine,
            "kind": self.kind,
            "rows": [row.json() for row in self.rows],
            "errors": {name: asdict(each) if each else None for name, each in summary.items()},
            "rank_correlation": self.rank_correlation,
        }

    def tables(self) -> tuple[Table, ...]:
        titles = ("row", "cycles", "expected", "off", "MiB", "expected", "off", "fullest KiB", "expected", "off")
        columns = tuple(Column(title, right=title != "row") for title in titles)
        rows = tuple(_cells(row) for row in self.rows)
        return Table(f"{self.kind} on {self.machine}, in float16 with float32 sums", columns, rows), self._summary()

    def _summary(self) -> Table:
        correlation = self.rank_correlation
        return facts(
            "absolute relative errors",
            (
                ("cycles", _text(self.cycles)),
                ("memory", _text(self.memory)),
                ("fullest tile", _text(self.fullest)),
                ("rank correlation of cycles", "-" if correlation is None else f"{correlation:.4f}"),
                ("constants fitted without the row", _text(self.refitted)),
                ("regression on seven terms without the row", _text(self.regression)),
            ),
        )


@dataclass(frozen=True)
class VertexReport:
    """Rows of vertices."""

    machine: str
    rows: tuple[tuple[VertexRow, int], ...]

    @property
    def cycles(self) -> Errors:
        return errors(*np.array([(cycles, row.cycles) for row, cycles in self.rows], float).T)

    def json(self) -> dict[str, Any]:
        rows = [{"name": row.name, "cycles": cycles, "expected_cycles": row.cycles} for row, cycles in self.rows]
        return {"machine": self.machine, "kind": "vertices", "rows": rows, "errors": {"cycles": asdict(self.cycles)}}

    def tables(self) -> tuple[Table, ...]:
        columns = (Column("vertex"), *(Column(title, right=True) for title in ("cycles", "expected", "off")))
        rows = tuple((row.name, f"{n:,}", f"{row.cycles:,}", _off(n, row.cycles)) for row, n in self.rows)
        equal = sum(cycles == row.cycles for row, cycles in self.rows)
        summary = (("cycles", _text(self.cycles)), ("exact", f"{equal} of {len(self.rows)}"))
        return Table("vertices", columns, rows), facts("absolute relative errors", summary)


def validate(path: Path, machine: Machine) -> LayerReport | VertexReport:
    """The report on a file of expected figures.

    Raises CompileError: E0560 where the machine file has no `supersteps`, E0564 where a layer fits in no way, and as
    `read_rows` does.
    """
    if machine.supersteps is None:
        help = "add the section `supersteps`; `itc machines gc200` shows what goes below it"
        raise fail("E0560", f"the file of {machine.name} does not say what supersteps cost", help=help)
    rows: Rows = read_rows(path, machine)
    if rows.kind == "vertices":
        priced = ((row, int(amp_1x1(row.field, row.groups, row.units))) for row in rows.vertices)
        return VertexReport(machine.name, tuple(priced))
    return LayerReport(machine.name, machine.tiles, rows.kind, tuple(_priced(row, machine) for row in rows.layers))


def _priced(row: LayerRow, machine: Machine) -> PricedRow:
    costs = tuple(layer_cost(layer, machine) for layer in row.layers)
    memory = step_memory(costs, row.resident, machine)
    return PricedRow(row, costs, memory, lower_bound(row.layers, row.macs, machine))


def _cells(priced: PricedRow) -> tuple[str, ...]:
    expected, memory = priced.row.expected, priced.memory
    return (
        priced.row.name,
        f"{priced.cycles:,}",
        f"{expected.cycles:,}",
        _off(priced.cycles, expected.cycles),
        f"{memory.total / 2**20:.1f}",
        f"{expected.total / 2**20:.1f}",
        _off(memory.total, expected.total),
        f"{memory.fullest / 2**10:.0f}",
        f"{expected.fullest / 2**10:.0f}",
        _off(memory.fullest, expected.fullest),
    )


def _off(predicted: int, expected: int) -> str:
    return f"{predicted / expected - 1:+.1%}"


def _text(each: Errors | None) -> str:
    """Errors in one line; `-` where there are too few rows."""
    if each is None:
        return "-"
    return f"median {each.median:.1%}, 90th percentile {each.p90:.1%}, largest {each.largest:.1%}"


def _sum(volumes: list[Volumes]) -> Volumes:
    """The volumes of several layers together."""
    names = vars(volumes[0])
    return Volumes(**{name: sum(getattr(each, name) for each in volumes) for name in names})
