"""`itc cost` on the paper's network: the published settings, exact, all through `--set` on one file."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from itc.cli import app
from itc.units import count_text, size_text

ITNET = Path(__file__).parents[2] / "examples" / "itnet.itn"
CITYSCAPES = ["f=54", "iterations=12", "classes=19", "exits=[1, 2, 4, 6, 8, 9, 10, 12]", "height=512", "width=1024"]
INDEPENDENT = ["f=29", "refine.share=none"]


def cost(*settings: str) -> dict[str, Any]:
    options = [part for setting in settings for part in ("--set", setting)]
    result = CliRunner().invoke(app, ["cost", str(ITNET), "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    figures: dict[str, Any] = json.loads(result.output)
    return figures


@pytest.mark.parametrize(
    ("settings", "params", "macs", "graph"),
    [
        ([], 181_117, 6_210_304_200, 87_449_756),
        (INDEPENDENT, 421_988, 2_043_869_400, 407_222_544),
        (CITYSCAPES, 209_591, 16_734_892_032, 290_447_316),
    ],
)
def test_the_published_settings(settings: list[str], params: int, macs: int, graph: int) -> None:
    found = cost(*settings)
    assert (found["params"], found["macs"], found["graph_bytes"]) == (params, macs, graph)


@pytest.mark.parametrize("settings", [[], INDEPENDENT, CITYSCAPES])
def test_output_n_is_4_n_plus_5_convolutions_deep(settings: list[str]) -> None:
    outputs = cost(*settings)["outputs"]
    exits = [int(output["label"].split("@")[1]) for output in outputs]
    assert exits[0] == 1
    assert [output["latency"] for output in outputs] == [4 * n + 5 for n in exits]


def test_29_is_the_widest_independent_network_below_2_2_gmac() -> None:
    assert cost("f=29", "refine.share=none")["macs"] < 2_200_000_000
    assert cost("f=30", "refine.share=none")["macs"] == 2_323_136_700


def test_the_named_variants_are_these_settings() -> None:
    runner = CliRunner()
    for name, settings in [("itnet_independent", INDEPENDENT), ("itnet_cityscapes", CITYSCAPES)]:
        result = runner.invoke(app, ["cost", str(ITNET), "--json", "--network", name], catch_exceptions=False)
        assert json.loads(result.output) | {"net": "itnet"} == cost(*settings) | {"net": "itnet"}


def test_the_table_shows_the_published_figure_beside_each() -> None:
    text = CliRunner().invoke(app, ["cost", str(ITNET)], catch_exceptions=False).output
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if line.count("│") > 4}
    assert "181,117" in rows["parameters"] and "182 k" in rows["parameters"] and "-0.5%" in rows["parameters"]
    assert "6,210,304,200" in rows["MACs"] and "6.2 G" in rows["MACs"]
    assert "87,449,756 B" in rows["graph size"] and "83 MiB" in rows["graph size"]


def test_the_last_output_has_cost_what_the_network_costs() -> None:
    found = cost()
    last = found["outputs"][-1]
    assert (last["macs"], last["params"], last["graph_bytes"]) == (found["macs"], found["params"], found["graph_bytes"])


def test_the_ir_does_not_grow_with_the_loop() -> None:
    def lines(iterations: int) -> int:
        options = ["--set", f"iterations={iterations}", "--set", "exits=[1, 2, 4]"]
        return len(CliRunner().invoke(app, ["show", str(ITNET), *options], catch_exceptions=False).output.splitlines())

    assert lines(4) == lines(64) > 100


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (-(2**20), "-1.00 MiB"),
        (9 * 2**30, "9216.00 MiB"),
        (10 * 2**30, "10.00 GiB"),
        (2**50, "1024.00 TiB"),
    ],
)
def test_sizes_have_a_unit_that_shows_them(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("count", "text"), [(999, ""), (6_210_304_200, "6.21 G"), (3 * 10**14, "300.00 T")])
def test_counts_have_a_unit_that_shows_them(count: int, text: str) -> None:
    assert count_text(count) == text
