"""An operation of another distribution, as CONTRIBUTING shows it: interpreted, lowered, emitted and on tiles."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from itc.diagnostics import CompileError
from itc.ir import Builder, Net, Output, TensorType
from itc.ir.op import Array
from itc.ir.ops.pointwise import Unary
from itc_tile import compile_net, load_machine

ROOT = Path(__file__).parents[2]
FILES = ("entry_points.txt", "operation.py", "torch.py", "tile.py")
MOST_LINES = 30
SPEC = """
network n:
    input image: f32[3, 12, 12]
    x = image |> conv(8, 3) |> hard_swish
    emit y = hard_swish(x) + conv(x, 8, 1)
"""
RUN = """
import sys
import numpy as np
from itc.driver import load, training_backend
from itc.ir.parser import parse_net

network = load("spec.itn")
assert parse_net(network.text()) == network.ir
weights, inputs = network.weights(), {"image": np.random.default_rng(0).normal(size=(2, 3, 12, 12)).astype("f4")}
(expected,) = network.interpret(inputs, weights).values()
(tiles,) = network.compile("edge-16").run(inputs, weights).values()
np.testing.assert_allclose(tiles, expected, rtol=1e-4, atol=1e-5)
if "torch" in sys.argv:
    (values,) = training_backend().forward(network.ir, inputs, weights).values()
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    assert "F.hardswish(" in network.emit()
"""

SHOW = """
import sys
from typer.testing import CliRunner
from itc.cli import app
for stage in sys.argv[1:]:
    print(CliRunner().invoke(app, ["show", "spec.itn", "--stage", stage]).output)
"""


def listings() -> dict[str, str]:
    """The files of CONTRIBUTING's example: its entry points and its three modules."""
    if not (ROOT / "CONTRIBUTING.md").exists():
        pytest.skip("the documents are not here")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("### From a distribution")[2]
    blocks = re.findall(r"^```(?:toml|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(zip(FILES, blocks[: len(FILES)], strict=True))


def install(folder: Path, files: dict[str, str]) -> None:
    """The example as an installed distribution: a package and its metadata."""
    package, metadata = folder / "hard_swish", folder / "hard_swish-1.0.dist-info"
    package.mkdir()
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hard-swish\nVersion: 1.0\n")
    points = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", files["entry_points.txt"]).replace('"', "")
    (metadata / "entry_points.txt").write_text(points)
    (package / "__init__.py").touch()
    for name in FILES[1:]:
        (package / name).write_text(files[name])
    (folder / "spec.itn").write_text(SPEC)


def run(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def with_torch() -> list[str]:
    try:
        import torch  # noqa: F401
    except ImportError:
        return []
    return ["torch"]


def test_the_example_runs_in_the_interpreter_torch_and_on_tiles(tmp_path: Path) -> None:
    install(tmp_path, listings())
    done = run(tmp_path, RUN, *with_torch())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FILES[1:])
def test_an_operation_is_few_lines_in_each_file(name: str) -> None:
    assert len(listings()[name].splitlines()) < MOST_LINES


def test_each_backend_refuses_an_operation_that_it_does_not_have(tmp_path: Path) -> None:
    """At each line of the model, all at once."""
    install(tmp_path, listings() | {"torch.py": "", "tile.py": ""})
    shown = run(tmp_path, SHOW, "tile", *with_torch()).stdout
    codes = ["E0523", *("E0522" for _ in with_torch())]
    expected = [found for code in codes for line in ("4", "5") for found in ((code, ""), ("", line))]
    assert re.findall(r"error\[(E\d+)\]|spec\.itn:(\d+):", shown) == expected
    assert "register a `TileOp` for `HardSwish`" in shown


def test_operations_that_cannot_be_loaded(tmp_path: Path) -> None:
    install(tmp_path, listings() | {"operation.py": "import a_module_that_is_missing\n"})
    assert "error[E0521]: `hard_swish.operation`" in run(tmp_path, SHOW, "ir").stdout


@dataclass(frozen=True)
class Cube(Unary):
    """An operation that no backend has."""

    name = "cube"

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        return (operands[0] ** 3,)


def cubes(count: int) -> Net:
    builder = Builder("n")
    value = builder.input("x", TensorType("f32", (8,)))
    for _ in range(count):
        value = builder.apply(Cube(), [value])
    return builder.net([Output("y", value)])


def test_operations_without_a_record_or_a_line() -> None:
    with pytest.raises(CompileError) as raised:
        compile_net(cubes(3), load_machine("edge-16"))
    assert {each.code for each in raised.value.diagnostics} == {"E0523"}
