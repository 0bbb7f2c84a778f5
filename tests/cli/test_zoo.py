"""`itc zoo`: all examples meet what was counted for them; what does not is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from itc.cli import app
from itc.driver import names
from itc.zoo import folder
from tests.conftest import Golden

GOLDEN = Path(__file__).parent / "golden"
SPEC = """{annotations}
network {name}(size=8):
    input x: f32[3, size, size]
    emit y = x |> conv(4, 3, name="body") |> conv({out}, 1, name="head")
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["zoo", *arguments], catch_exceptions=False)


def test_every_network_of_the_examples_meets_its_counted_figures() -> None:
    result = invoke("--json")
    found = json.loads(result.output)
    assert result.exit_code == 0 and found["failed"] == []
    networks = [(spec.name, name) for spec in sorted(folder().glob("*.itn")) for name in names(spec)]
    assert [(entry["file"], entry["network"]) for entry in found["networks"]] == networks
    exact = [figure for entry in found["networks"] for figure in entry["figures"] if figure["text"].find(",") > 0]
    assert len(exact) > 50 and all(figure["found"] == figure["value"] for figure in exact)


def write(folder: Path, name: str, annotations: str = "", out: str = "2") -> None:
    (folder / f"{name}.itn").write_text(SPEC.format(name=name, annotations=annotations, out=out))


def test_the_table_and_what_is_said_of_failures(
    tmp_path: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "good", '@published(params="0.1 k", macs="7.5 k", graph="1.5 KiB", source="Table 1")')
    write(tmp_path, "parts", '@published(params="110", without=head)\n@counted(params="108", without=head)')
    write(tmp_path, "off", '@counted(params="117", macs="7.4 k", latency="2")')
    write(tmp_path, "wrong", out="0")
    (tmp_path / "broken.itn").write_text("network (")
    (tmp_path / "blocks.itn").write_text("block same(x):\n    return x\n")
    monkeypatch.chdir(tmp_path)
    result = invoke(".")
    assert result.exit_code == 1
    golden(GOLDEN / "zoo.txt", "\n".join(line.rstrip() for line in result.output.splitlines()))
    assert json.loads(invoke(".", "--json").output)["failed"] == ["broken.itn", "off", "wrong"]
    assert invoke("good.itn", "parts.itn").exit_code == 0


@pytest.mark.parametrize(("which", "count"), [("resnet", 7), ("resnet152", 1), ("itnet", 3), ("cifar10_e4", 1)])
def test_examples_go_by_name(which: str, count: int) -> None:
    found = json.loads(invoke(which, "--json").output)["networks"]
    assert len(found) >= count
    assert all(entry["cost"] for entry in found)


def test_a_name_that_is_not_there() -> None:
    assert invoke("nothing.itn").exit_code == 1
    for name, help in [("resnet1001", "did you mean `resnet101`?"), ("zebra", "examples are: albert")]:
        result = invoke(name)
        assert result.exit_code == 1
        assert "error[E0601]" in result.output and help in result.output


def test_a_folder_without_networks(tmp_path: Path) -> None:
    (tmp_path / "folder.itn").mkdir()
    (tmp_path / "blocks.itn").write_text("block same(x):\n    return x\n")
    result = invoke(str(tmp_path))
    assert result.exit_code == 1
    assert "there is no spec with a network in" in result.output
    write(tmp_path, "good")
    assert invoke(str(tmp_path)).exit_code == 0
