"""`itc diff`: equal nets are the same whatever their values are called, and every difference between two is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import itc
from itc.analysis.difference import Difference, difference
from itc.cli import app
from itc.ir import parse_net
from tests.conftest import Golden

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
ITNET = str(EXAMPLES / "itnet.itn")
SMALL = ["--set", "height=24", "--set", "width=32", "--set", "exits=[1, 3]", "--set", "iterations=3"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["diff", *arguments], catch_exceptions=False)


def nets(a: str, b: str) -> Difference:
    """The difference of two nets, of which only statements are given."""
    head, params = "net @n(%x: f32[2, 4, 4], %y: f32[2, 4, 4]) {", ""
    for key in ("a", "b"):
        params += f"param @{key}.weight: f32[2, 2, 1, 1] {{role = weight, init = kaiming}}\n"
    return difference(*(parse_net(f"{head}\n{params}{text}\n}}") for text in (a, b)))


def facts(found: Difference) -> list[tuple[str, str, dict[str, tuple[str, str]]]]:
    return [(change.kind, change.row.label, change.facts) for change in found.changes]


LINE = "%{} = conv(%x, @a.weight): f32[2, 4, 4]\n%{} = relu(%{}): f32[2, 4, 4]\nreturn %{} {{name = out}}"


def test_names_of_values_are_no_difference() -> None:
    assert nets(LINE.format(*"0101"), LINE.format(*"pqpq")).same
    assert not nets(LINE.format(*"0101"), LINE.format(*"pqpp")).same  # the net returns something else


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (
            "%0 = add(%x, %y): f32[2, 4, 4]\nreturn %0 {name = o}",
            "%0 = add(%x, %x): f32[2, 4, 4]\nreturn %0 {name = o}",
            [("changed", "add", {"reads": ("%x (input x), %y (input y)", "%x (input x), %x (input x)")})],
        ),
        (
            "%0 = conv(%x, @a.weight): f32[2, 4, 4]\nreturn %0 {name = o}",
            "%0 = conv(%x, @b.weight): f32[2, 4, 4]\nreturn %0 {name = o}",
            [("changed", "conv b", {"name": ("a", "b"), "parameters": ("a.weight", "b.weight")})],
        ),
        (
            "%0 = relu(%x): f32[2, 4, 4]\nreturn %0 {name = o}",
            "%1 = tanh(%x): f32[2, 4, 4]\n%0 = relu(%1): f32[2, 4, 4]\nreturn %0 {name = o}",
            [
                ("added", "tanh", {}),
                ("changed", "relu", {"reads": ("%x (input x)", "%1 (tanh)")}),
            ],
        ),
        (
            "%0 = conv(%x, @a.weight): f32[2, 4, 4]\nreturn %0 {name = o}",
            "%0 = conv(%x, @a.weight) {stride = [2, 2]}: f32[2, 2, 2]\nreturn %0 {name = p}",
            [
                ("changed", "conv a", {"type": ("f32[2, 4, 4]", "f32[2, 2, 2]"), "stride": ("[1, 1]", "[2, 2]")}),
                ("changed", "output p", {"name": ("o", "p")}),
            ],
        ),
    ],
)
def test_every_difference_is_named(a: str, b: str, expected: list[Any]) -> None:
    assert facts(nets(a, b)) == expected
    assert nets(a, a).same


def test_loops_and_sharing() -> None:
    def of(**settings: Any) -> Difference:
        sizes = {"height": 24, "width": 32, "exits": [1, 3], "iterations": 3}
        return itc.load(ITNET, **sizes).difference(itc.load(ITNET, **{**sizes, **settings}))

    assert of().same
    shared = of(**{"refine.share": "none"})
    assert {name for change in shared.changes for name in change.facts} == {"sets"}
    assert all(b.startswith(("2 x", "3 x")) for _, _, b in shared.params)
    longer = of(iterations=4, exits=[1, 4])
    assert longer.changes[0].facts == {"iterations": ("3", "4")}
    assert longer.changes[0].row.label == "loop refine"


def test_every_fact_of_a_net_counts() -> None:
    """Whatever `itc show` prints of two nets differs where `itc diff` finds a difference, and only there."""
    variants: list[dict[str, Any]] = [{}, {"f": 12}, {"dropout": 0.2}, {"bottlenecks": 2}, {"refine.share": "every(2)"}]
    loaded = [itc.load(ITNET, height=24, width=32, iterations=3, exits=[1, 3], **variant) for variant in variants]
    for a in loaded:
        for b in loaded:
            assert a.difference(b).same == (a.text() == b.text())


def test_the_tables(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    result = invoke(ITNET, *SMALL, "--set-b", "refine.share=every(2)", "--set-b", "bottlenecks=0")
    assert result.exit_code == 1
    golden(HERE / "golden" / "diff.txt", result.output)


def test_status_and_arguments(tmp_path: Path) -> None:
    copy = tmp_path / "copy.itn"
    copy.write_text("# a copy\n" + Path(ITNET).read_text())
    same = invoke(ITNET, str(copy))
    assert (same.exit_code, same.output) == (0, "itnet: both are the same\n")
    assert invoke(ITNET, "--set", "f=29", "--set-b", "refine.share=none", "--network-b", "itnet").exit_code == 1
    assert invoke(ITNET, "--network", "itnet_independent", "--set-b", "f=29").exit_code == 0
    assert "error[E0601]" in invoke(ITNET, str(tmp_path / "none.itn")).output
    assert invoke(ITNET, "--nonsense").exit_code == 2


def test_json() -> None:
    result = invoke(ITNET, *SMALL, "--set-b", "iterations=4", "--json")
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert found["same"] is False
    assert set(found) == {"a", "b", "same", "params", "structure", "cost"}
    loop = {"change": "changed", "a": "loop refine", "b": "loop refine", "inside": []}
    assert found["structure"][0] == {**loop, "facts": {"iterations": {"a": "3", "b": "4"}}}
    assert found["cost"]["b"]["macs"] > found["cost"]["a"]["macs"]
    assert json.loads(invoke(ITNET, "--json", "--set-b", "f=x").output)["errors"]
