"""The main job on real pictures of CamVid, where `ITC_DATA` says they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from itc.cli import app

ITNET = str(Path(__file__).parents[2] / "examples" / "itnet.itn")
CAMVID = Path(os.environ.get("ITC_DATA", "/nonexistent")) / "camvid" / "test"

pytestmark = pytest.mark.skipif(not CAMVID.is_dir(), reason="ITC_DATA is not set")


def run(tmp_path: Path, *options: str) -> float:
    """The greatest disagreement of the outputs on the first test picture."""
    picture = min(path for path in CAMVID.iterdir() if path.suffix in (".png", ".webp"))
    arguments = ["run", ITNET, "--json", "--out", str(tmp_path), "--input", str(picture), *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert len(found["pictures"]) == len(found["agreement"]["outputs"])
    return float(max(found["agreement"]["outputs"].values()))


def test_a_real_picture_at_reduced_size(tmp_path: Path) -> None:
    sizes = ["--set", "height=90", "--set", "width=120", "--set", "iterations=4", "--set", "exits=[1, 2, 4]"]
    assert run(tmp_path, "-m", "edge-32", *sizes) <= 1e-4


@pytest.mark.long
@pytest.mark.parametrize("machine", ["gc200", "edge-128"])
def test_the_whole_network_on_a_real_picture(tmp_path: Path, machine: str) -> None:
    assert run(tmp_path, "-m", machine) <= 1e-4
