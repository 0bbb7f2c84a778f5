"""Sweeps of ItNet by the paper's own rule, in Python and on the command line; their tables, files and pictures."""

from __future__ import annotations

import csv
import io
import json
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import itc
from itc.cli import app
from itc.diagnostics import CompileError
from itc.sweeps import points as sweeping
from tests.conftest import Golden

ITNET = Path(__file__).parents[2] / "examples" / "itnet.itn"
GOLDEN = Path(__file__).parent / "golden"
SMALL = ["--set", "refine.share=none", "--set", "f=3..5,28..31", "--where", "macs < 2.2e9", "--max", "f"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sweep", str(ITNET), *arguments], catch_exceptions=False)


def test_the_papers_rule_finds_29() -> None:
    found = itc.sweep(ITNET, {"refine.share": "none", "f": range(16, 65)}, where="macs < 2.2e9", maximize="f")
    assert found.selected and found.selected.settings == {"refine.share": "none", "f": 29}
    costs = {point.settings["f"]: point.cost for point in found.points}
    assert len(costs) == 49
    assert costs[29] and costs[29].macs == 2_043_869_400
    assert costs[30] and costs[30].macs == 2_323_136_700
    assert [point.settings["f"] for point in found.points if point.holds] == list(range(16, 30))


def test_the_table(golden: Golden) -> None:
    result = invoke(*SMALL)
    assert result.exit_code == 0
    golden(GOLDEN / "sweep.txt", "\n".join(line.rstrip() for line in result.output.splitlines()))


def test_json_and_csv_say_the_same(tmp_path: Path) -> None:
    found = json.loads(invoke(*SMALL, "--json", "--csv", str(tmp_path / "points.csv")).output)
    rows = list(csv.DictReader((tmp_path / "points.csv").read_text().splitlines()))
    assert found["selected"]["settings"] == {"refine.share": None, "f": 29}
    assert len(rows) == len(found["points"]) == 7
    for row, point in zip(rows, found["points"], strict=True):
        assert row["f"] == str(point["settings"]["f"])
        assert row["selected"] == str(int(point["selected"])) == str(int(row["f"] == "29"))
        assert row["macs"] == (str(point["cost"]["macs"]) if point["cost"] else "")
        assert bool(row["error"]) == bool(point["errors"]) == (row["f"] == "3")
    assert found["points"][0]["errors"][0]["code"] == "E0302"


def test_no_cell_of_a_csv_is_computed() -> None:
    """A spreadsheet takes what starts so for a formula; numbers stay numbers."""
    settings = ("=cmd()", "+a", "-b", "@c", "\tx", "-1", "-1.5e3", "relu", "a=b", "")
    cost = itc.load(ITNET).cost()
    points = [sweeping.Point({"s": text}, cost) for text in settings]
    found = sweeping.Sweep(sweeping.request(ITNET, {"s": settings}), tuple(points))
    rows = list(csv.DictReader(io.StringIO(found.csv(), newline="")))
    assert [row["s"] for row in rows] == ["'=cmd()", "'+a", "'-b", "'@c", "\\tx", *settings[5:]]


def test_the_front_is_what_no_other_point_is_better_than() -> None:
    """Independent weights cost memory and no MACs: none of them is on the front."""
    settings = {"refine.share": ["all", "none"], "f": [20, 24, 28], "scales": [2, 3]}
    found = itc.sweep(ITNET, settings, front="min macs, min graph", minimize="params")
    costs = [(point.cost.macs, point.cost.graph_bytes) for point in found.points if point.cost]
    best = [c for c in costs if not any(o != c and o[0] <= c[0] and o[1] <= c[1] for o in costs)]
    front = [point.cost and (point.cost.macs, point.cost.graph_bytes) for point in found.front]
    assert front == sorted(best)
    assert {point.settings["refine.share"] for point in found.front} == {"all"}
    assert found.selected and found.selected.cost
    assert found.selected.cost.params == min(point.cost.params for point in found.points if point.cost)


def test_processes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"f": range(3, 13), "iterations": [12, 16]}
    alone = itc.sweep(ITNET, settings)
    monkeypatch.setattr(sweeping, "WORTH", 0.0)
    together = itc.sweep(ITNET, settings, processes=2)
    assert [(p.settings, p.cost, p.holds) for p in alone.points] == [
        (p.settings, p.cost, p.holds) for p in together.points
    ]
    assert [p.json() for p in alone.refused] == [p.json() for p in together.refused]


def test_settings_are_compared_as_they_are_written() -> None:
    found = itc.sweep(ITNET, {"dropout": [0.1, 0.3], "refine.share": ["all", None]}, where=["dropout == 0.3"])
    assert [point.settings for point in found.points if point.holds] == [
        {"dropout": 0.3, "refine.share": "all"},
        {"dropout": 0.3, "refine.share": None},
    ]
    assert found.points[0].values["dropout"] == Fraction(1, 10)
    assert found.points[1].values["refine.share"] == "none"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--set", "f=16..20", "--where", "mac < 1"], "E0280"),
        (["--set", "f=16..20", "--where", "macs <"], "E0181"),
        (["--set", "f=16..20", "--where", "macs"], "E0380"),
        (["--set", "f=20..16"], "E0180"),
        (["--set", "f=1..10001"], "E0190"),
        (["--set", "f=16..20", "--max", "f", "--min", "macs"], "E0282"),
        (["--set", "f=1..3"], "E0302"),
        (["--set", "g=1..3"], "E0212"),
        (["--set", "f=16", "--plot", "front.pdf"], "E0641"),
    ],
)
def test_mistakes_are_diagnostics(arguments: list[str], code: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert f"error[{code}]" in result.output
    as_json = invoke(*arguments, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.output)["errors"][0]["code"] == code


def test_a_setting_that_is_called_like_a_figure(tmp_path: Path) -> None:
    spec = tmp_path / "net.itn"
    spec.write_text("network net(state=8):\n    input x: f32[3, 8, 8]\n    emit y = x |> conv(state, 1)\n")
    assert len(itc.sweep(spec, {"state": [1, 2]}, where="macs > 0").points) == 2
    with pytest.raises(CompileError, match="E0281"):
        itc.sweep(spec, {"state": [1, 2]}, where="state > 0")


def test_nothing_that_holds_is_said() -> None:
    result = invoke("--set", "f=16,17", "--where", "macs < 1", "--max", "f")
    assert result.exit_code == 0
    assert "max f: no point meets the condition" in result.output


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_a_picture(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"front.{ending}"
    assert invoke(*SMALL, "--plot", str(path)).exit_code == 0
    if ending == "png":
        assert path.read_bytes().startswith(b"\x89PNG")
        return
    text = path.read_text()
    assert text.count("refine.share") <= 2  # a page's title, and the picture's
    for shown in ("MACs of one image, G (less is better)", "f (more is better)", "selected: f=29", "Pareto front"):
        assert shown in text
    assert "src=" not in text and "<script" not in text
    again = tmp_path / f"again.{ending}"
    invoke(*SMALL, "--plot", str(again))
    assert again.read_text() == text


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    result = invoke(*SMALL, "--plot", str(tmp_path / "front.png"))
    assert result.exit_code == 1
    assert "error[E0640]" in result.output and "itc-compiler[plot]" in result.output


def test_files_are_looked_at_before_the_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping.Request, "measured", lambda *_: pytest.fail("computed"))
    for option in ("--csv", "--plot"):
        assert "error[E0620]" in invoke(*SMALL, option, str(tmp_path / "nowhere" / "a.svg")).output
    both = ["--csv", str(tmp_path / "a.svg"), "--plot", str(tmp_path / "a.svg")]
    assert invoke(*SMALL, *both).exit_code == 2


def test_one_point_is_one() -> None:
    assert invoke("--set", "f=16").output.splitlines()[-1] == "1 point"
