"""`itc run --iterations`: another number of iterations on the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from itc.cli import app

SPEC = """
@share(all)
output head(x):
    return conv(x, 2, 1)

@loop(times)
iterative refine(carry x, times):
    x = x + (x |> conv(channels(x), 3) |> relu)

network n(times=2):
    input image: f32[3, 6, 5]
    x = refine(image, times)
    emit y = head(x) at last
"""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    (folder / "n.itn").write_text(SPEC)
    command = ["run", str(folder / "n.itn"), "--out", str(folder / "out"), "--json", *arguments]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    return result.exit_code, result.stdout


@pytest.mark.parametrize("iterations", ["3", "refine=3"])
def test_outputs_are_of_that_iteration(tmp_path: Path, iterations: str) -> None:
    status, text = run(tmp_path, "--iterations", iterations)
    assert status == 0
    agreement = json.loads(text)["agreement"]["outputs"]
    assert list(agreement) == ["y@3"]
    assert agreement["y@3"] < 1e-5


@pytest.mark.parametrize(("iterations", "code"), [("many", "E0424"), ("0", "E0424"), ("mix=3", "E0423")])
def test_what_is_no_number_of_a_loop(tmp_path: Path, iterations: str, code: str) -> None:
    status, text = run(tmp_path, "--iterations", iterations)
    assert status == 1
    assert code in text
