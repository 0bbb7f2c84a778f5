"""Every code has an explanation, whose example gives that error and no other, and whose mended example gives none."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from itc.cli import app
from itc.diagnostics import CompileError
from itc.driver import explanations, formatted, machine_backend
from itc.explanations import Block
from itc.sweeps import points
from tests.conftest import Golden

ROOT = Path(__file__).parents[2]
EXPLANATIONS = explanations()
TORCH = ("E0290", "E0291", "E0520", "E0522", "E0620")
CODE = re.compile(r"^error\[(E\d{4})\]", re.MULTILINE)
SECTION = re.compile(r"^\w+:.*\n(?:[ #].*\n)*", re.MULTILINE)


def found_codes(blocks: list[Block]) -> list[str]:
    """What an example reports: of its command, else of its Python, else of checking its spec."""
    codes: list[str] = []
    for block in blocks:
        if block.language == "yaml":
            Path(block.file).write_text(machine(block.text))
        elif block.language == "python":
            codes += python(block.text)
        elif block.language == "console":
            codes += command(block.text.removeprefix("$ "))
        else:
            Path(block.file).write_text(block.text)
    if any(block.language == "console" for block in blocks) or codes or not Path("spec.itn").exists():
        return codes
    return command("itc check spec.itn")


def machine(text: str) -> str:
    """A machine file that takes the sections of `text` and has the others from a preset, if its first line says so."""
    like = re.match(r"# The rest is as in (\S+)\.\n", text)
    if not like:
        return text
    sections = {part.split(":")[0]: part for part in SECTION.findall(machine_backend().text(like[1]))}
    sections |= {part.split(":")[0]: part for part in SECTION.findall(text)}
    return "".join(sections.values())


def python(text: str) -> list[str]:
    if any(word in text for word in ("sys.path", "sys.modules", "multiprocessing")):  # not in this process
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
        return re.findall(r"error\[(E\d{4})\]", done.stderr)
    try:
        exec(compile(text, "<explanation>", "exec"), {})  # the project's own documents
    except CompileError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


def command(line: str) -> list[str]:
    program, *arguments = shlex.split(line)
    assert program == "itc"
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    codes = CODE.findall(result.output)
    assert result.exit_code == (1 if codes else 0), result.output
    return codes


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(points, "WORTH", points.WORTH)  # an example sets it


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_the_example_gives_the_error(code: str) -> None:
    if code in TORCH:
        pytest.importorskip("torch")
    assert set(found_codes(EXPLANATIONS[code].wrong)) == {code}


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_the_mended_example_gives_none(code: str) -> None:
    if code in TORCH:
        pytest.importorskip("torch")
    assert EXPLANATIONS[code].right
    assert found_codes(EXPLANATIONS[code].right) == []


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_specs_are_in_the_style(code: str) -> None:
    for block in EXPLANATIONS[code].right:
        if block.language == "itn":
            assert formatted(Path(block.file), block.text.encode()).formatted == block.text


def test_every_code_that_is_reported_is_explained() -> None:
    packages = [ROOT / "itc", ROOT / "dsl", ROOT / "backends"]
    sources = [path.read_text() for package in packages for path in package.rglob("*.py")]
    if not sources:
        pytest.skip("the sources are not here")
    reported = {code for text in sources for code in re.findall(r'"(E0\d{3})"', text)}
    assert reported == set(EXPLANATIONS)


def test_lines_fit_a_terminal() -> None:
    for explanation in EXPLANATIONS.values():
        prose = [line for line in explanation.plain.split("\n") if not line.startswith("    ")]
        assert all(len(line) <= 100 for line in prose), explanation.code


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments], catch_exceptions=False)


def test_the_text(golden: Golden) -> None:
    golden(Path(__file__).parent / "golden" / "explain.txt", explain("E0205").output)


@pytest.mark.parametrize("written", ["E0301", "e0301", "301", "0301", "error[E0301]"])
def test_ways_to_write_a_code(written: str) -> None:
    assert explain(written).output.startswith("E0301: ")


def test_all_codes_are_listed() -> None:
    lines = explain().output.splitlines()
    assert [line.split()[0] for line in lines] == sorted(EXPLANATIONS)
    listed = json.loads(explain("--json").output)
    assert [set(entry) for entry in listed] == [{"code", "title", "text"}] * len(EXPLANATIONS)


def test_a_code_that_does_not_exist() -> None:
    result = explain("E0331")
    assert result.exit_code == 2
    assert re.search(r"did you mean E03\d\d", " ".join(re.findall(r"[\w?;]+", result.output)))
    assert explain("nonsense").exit_code == 2
