"""All examples of the documents run: sessions print the text below them, IR texts round-trip."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from itc.analysis.samples import random_inputs as inputs_of
from itc.cli import app
from itc.driver import Network, load, names
from itc.interpreter import interpret
from itc.ir import parse_net, print_net, verify
from itc.ir.types import NUMPY_NAMES
from itc.weights import initial

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language with a name for each: file and line."""
    out = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        found = (match for match in FENCE.finditer(text) if match[1] == language)
        out += [(f"{path.name}:{text.count(chr(10), 0, match.start()) + 1}", match[2]) for match in found]
    return out


def sessions() -> list[tuple[str, str, str]]:
    """Each `$ itc ...` of the console blocks with what is to be printed."""
    out = []
    for name, text in blocks("console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            out.append((name, command, printed))
    return out


def run(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    program, *arguments = shlex.split(command)
    assert program == "itc", command
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, arguments, catch_exceptions=False).output


@pytest.mark.parametrize(("name", "command", "printed"), sessions(), ids=lambda value: str(value)[:60])
def test_console(name: str, command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    found = run(command, tmp_path, monkeypatch)
    assert trimmed(found) == trimmed(printed), name


def trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


@pytest.mark.parametrize(("name", "text"), blocks("python"), ids=lambda value: str(value)[:40])
def test_python(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(text, name, "exec"), {})  # the project's own documents


@pytest.mark.parametrize(("name", "text"), blocks("itn"), ids=lambda value: str(value)[:40])
def test_specs(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "spec.itn").write_text(text)
    for network in names(tmp_path / "spec.itn"):
        net = load(tmp_path / "spec.itn", network)
        assert np.isfinite(next(iter(net.interpret(random_inputs(net), net.weights()).values()))).all()


@pytest.mark.parametrize(("name", "text"), blocks("itir"), ids=lambda value: str(value)[:40])
def test_ir(name: str, text: str) -> None:
    net = verify(parse_net(text, name))
    assert print_net(net) == text
    outputs = interpret(net, inputs_of(net), initial(net))
    assert set(outputs) == set(net.labels)
    assert all(np.isfinite(array).all() for array in outputs.values())


def random_inputs(net: Network) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    drawn = {value: rng.random((1, *value.tensor.shape), np.float32) for value in net.ir.inputs}
    return {value.name: array.astype(NUMPY_NAMES[value.tensor.dtype]) for value, array in drawn.items()}


def test_the_documents_have_examples() -> None:
    assert len(sessions()) >= 3
    assert blocks("python")
    assert len(blocks("itn")) >= 3
    assert len(blocks("itir")) >= 2
