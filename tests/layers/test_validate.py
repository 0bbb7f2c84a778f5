"""`itc validate`: accuracy on the vendor's figures where they are, formats, diagnostics, and statistics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from itc.cli import app
from itc.diagnostics import CompileError, render
from itc_tile.machine.model import load_machine
from itc_tile.validate.accuracy import errors, fit, rank_correlation
from itc_tile.validate.report import LayerReport, VertexReport, validate
from tests.conftest import Golden
from tests.layers.expected import CONVOLUTIONS, PRODUCTS, VERTICES, needs_expected

MACHINES = ("gc200", "gc2")
FIGURES = "IpuModel2_cycles,IpuModel2_total_mem,IpuModel2_max_tile_mem"
TITLES = f"name,batch,groups,cin,cout,field,kernel,stride,pad_lo,pad_up,{FIGURES}"
ROW = "small,1,1,16,16,8x8,3x3,1x1,1x1,1x1,9000,17000000,213000"
DOCUMENT = Path(__file__).parents[2] / "docs" / "validation.md"


def report(path: Path, machine: str) -> LayerReport:
    found = validate(path, load_machine(machine))
    assert isinstance(found, LayerReport)
    return found


def accurate(found: LayerReport) -> None:
    """The targets, for cycles of whole layers and for memory."""
    assert found.cycles.median <= 0.06
    assert found.cycles.p90 <= 0.18
    assert (found.rank_correlation or 0) >= 0.98
    assert found.memory.median <= 0.25
    assert all(row.bound <= min(row.cycles, row.row.expected.cycles) for row in found.rows)


@needs_expected
def test_vertices_are_exact() -> None:
    found = validate(VERTICES, load_machine("gc200"))
    assert isinstance(found, VertexReport)
    assert len(found.rows) > 100
    assert all(cycles == row.cycles for row, cycles in found.rows)


@needs_expected
@pytest.mark.parametrize("machine", MACHINES)
def test_products_are_accurate(machine: str) -> None:
    accurate(report(PRODUCTS, machine))


@needs_expected
@pytest.mark.parametrize("machine", MACHINES)
def test_some_training_steps_are_accurate(machine: str, tmp_path: Path) -> None:
    """Of the rows every ninth; all of them are in the long suite."""
    titles, *rows = CONVOLUTIONS.read_text().splitlines()
    some = tmp_path / "some.csv"
    some.write_text("\n".join([titles, *rows[::9]]))
    accurate(report(some, machine))


@needs_expected
@pytest.mark.long
@pytest.mark.parametrize("machine", MACHINES)
def test_training_steps_are_accurate(machine: str) -> None:
    """All rows: better than the regression, also with constants from the other rows; the document has the figures."""
    found = report(CONVOLUTIONS, machine)
    accurate(found)
    assert found.refitted and found.regression
    assert found.refitted.median <= 0.06
    assert found.refitted.p90 <= 0.18
    assert max(found.cycles.median, found.refitted.median) < found.regression.median
    assert max(found.cycles.p90, found.refitted.p90) < found.regression.p90
    figures = (found.cycles, found.refitted, found.regression, found.memory, found.fullest)
    cells = [f"{each.median:.1%} / {each.p90:.1%}" for each in figures]
    assert " | ".join(cells) in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("machine", ["gc200", "gc2", "bow"])
def test_fitted_constants_are_few_and_the_same(machine: str) -> None:
    supersteps, other = load_machine(machine).supersteps, load_machine("gc200").supersteps
    assert supersteps and other
    assert supersteps.fitted == other.fitted
    assert len(type(supersteps.fitted).model_fields) <= 12


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{TITLES}\n{ROW}\n")
    done = CliRunner().invoke(app, ["validate", str(path), "--machine", "gc200", "--json"])
    value: dict[str, Any] = json.loads(done.output)
    (row,) = value["rows"]
    assert (value["machine"], value["kind"], row["name"]) == ("gc200", "training steps", "small")
    assert row["cycles"] == sum(row["phases"].values()) == sum(layer["cycles"] for layer in row["layers"])
    assert [layer["role"] for layer in row["layers"]] == ["forward", "input gradient", "weight gradient"]
    assert value["errors"]["cycles"]["median"] == pytest.approx(abs(row["cycles"] / 9000 - 1))
    assert value["errors"]["regression"] is value["rank_correlation"] is None


def test_bow_has_the_cycles_of_its_die(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{TITLES}\n{ROW}\n")
    assert report(path, "bow").rows[0].cycles == report(path, "gc200").rows[0].cycles


WRONG = {
    "titles": "layer,time\na,1",
    "number": f"{TITLES}\n{ROW.replace(',16,16', ',16,-16')}",
    "range": f"{TITLES}\n{ROW.replace(',16,16', ',0,16')}",
    "pair": f"{TITLES}\n{ROW.replace('3x3', '3')}",
    "kernel": f"{TITLES}\n{ROW.replace('3x3', '30x3')}",
    "large": f"{TITLES}\n{ROW.replace('8x8', '65536x65536')}",
    "short": f"{TITLES}\n{ROW},1",
    "product": f"name,{FIGURES}\ngemm_64x64,1,1,1",
    "machine": f"{TITLES.replace('IpuModel2', 'IpuModel3')}\n{ROW}",
    "empty": "",
}


def test_wrong_files(tmp_path: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = []
    for name, text in WRONG.items():
        Path("rows.csv").write_text(text)
        with pytest.raises(CompileError) as caught:
            validate(Path("rows.csv"), load_machine("gc200"))
        texts.append(f"{name}\n\n{render(caught.value.diagnostics)}")
    golden(Path(__file__).parent / "golden" / "wrong.err", "\n".join(texts))


def test_spaces_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(("\ufeff" + TITLES.replace(",", " , ") + "\r\n\r\n" + ROW.replace(",", ", ") + "\r\n").encode())
    assert report(path, "gc200").rows[0].row.name == "small"


def test_errors_and_ranks() -> None:
    expected = np.arange(1.0, 12.0)
    found = errors(expected * np.where(expected > 1, 1.1, 2.0), expected)
    assert found.median == pytest.approx(0.1)
    assert found.largest == pytest.approx(1.0)
    assert rank_correlation(expected, expected**3) == pytest.approx(1.0)
    assert rank_correlation(expected, -expected) == pytest.approx(-1.0)
    assert rank_correlation(expected, np.ones(11)) is None


def test_fit_recovers_constants() -> None:
    """Also where some rows are far off; what would be negative is zero."""
    rng = np.random.default_rng(0)
    terms, known = rng.uniform(1, 100, (60, 4)), rng.uniform(100, 200, 60)
    constants = np.array([1.1, 0.0, 0.2, 5.0])
    expected = known + terms @ constants
    expected[::20] *= 1.5
    np.testing.assert_allclose(fit(known, terms, expected), constants, atol=0.05)
    assert fit(known, terms, known - terms @ constants / 10).min() >= 0


def test_every_fitted_constant_is_marked() -> None:
    for machine in MACHINES:
        text = CliRunner().invoke(app, ["machines", machine]).output
        lines = re.findall(r"^    (?:exchange|rearrange|regroup|layer|code): .*$", text, re.MULTILINE)
        assert len(lines) == 5
        assert all("FITTED" in line for line in lines)
