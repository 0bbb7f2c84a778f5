"""Settings with any text in them are drawn, listed and kept; numbers beyond floats are diagnostics."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from itc import CompileError, Sweep
from itc.sweeps import plot, sweep

SPEC = """\
network n(f=4, s="a"):
    input x: f32[3, 8, 8]
    if s == "b":
        f = f + 1
    emit y = conv(x, f, 3)
"""
ODD = ["$", "$x$", "$\\frac$", "a_b^c", "%s {} \\n", "网", "é\u200d", "[/]", "=1+1", "x" * 3000]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "n.itn").write_text(SPEC)
    return tmp_path / "n.itn"


def odd(spec: Path, front: str = "") -> Sweep:
    return sweep(spec, {"s": ODD, "f": [4, 6]}, maximize="f", where="s != 'b'", front=front)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_any_text_is_drawn_as_it_is(spec: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = spec.with_suffix(suffix)
    for text in ("$x$", "$\\nothing", "网$", "x" * 3000):
        plot(sweep(spec, {"s": text, "f": [4, 6]}, maximize="f"), path)
        assert path.stat().st_size > 1000
        if suffix == ".svg" and len(text) < 90:
            assert text in path.read_text(encoding="utf-8")


def test_large_and_small_quantities_are_drawn(spec: Path) -> None:
    pytest.importorskip("matplotlib")
    plot(odd(spec, "min macs * 1e99 * 1e99 * 1e90, max f / 1e99 / 1e99 / 1e90"), spec.with_suffix(".svg"))


@pytest.mark.parametrize("sign", "*/")
def test_numbers_beyond_floats_are_refused(spec: Path, sign: str) -> None:
    beyond = "macs" + f" {sign} 1e99" * 100
    for options in ({"front": f"min {beyond}, max f"}, {"maximize": beyond}, {"where": f"{beyond} > 1"}):
        with pytest.raises(CompileError, match="E0394"):
            _ = sweep(spec, {"f": [4, 6]}, **options).front  # type: ignore[arg-type]


def test_any_text_is_kept(spec: Path) -> None:
    rows = list(csv.DictReader(odd(spec).csv().splitlines()))
    kept = [text.replace("\u200d", "\\u200d") for text in ODD]
    assert [row["s"] for row in rows[::2]] == ["'" + text if text.startswith("=") else text for text in kept]
