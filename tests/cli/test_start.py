"""What a start of `itc` imports, and commands that are run without typer: they do as they do with it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from itc.cli import QUICK, app
from itc.cli.arguments import for_typer, read
from itc.cli.check import check
from itc.cli.cost import cost
from itc.cli.fmt import fmt
from itc.cli.plain import drawing
from itc.cli.terminal import draw, drawn
from itc.tables import Column, Table

ROOT = Path(__file__).parents[2]
SPEC = "network n:\n    input x: f32[3, 8, 8]\n    emit y = conv(x, 4, 3)\n"
#: All that is not of the standard library, by the first names of the modules.
FOREIGN = {"lark", "numpy"}
#: The modules of itc, but the files of the IR.
OWN = {
    "itc", "itc.__main__", "itc.analysis", "itc.analysis.cost", "itc.analysis.cost_tables", "itc.analysis.depth",
    "itc.analysis.liveness",
    "itc.analysis.program_points", "itc.analysis.reach", "itc.cli", "itc.cli.arguments", "itc.cli.cost",
    "itc.cli.errors", "itc.cli.options", "itc.cli.plain", "itc.cli.printing", "itc.diagnostics", "itc.driver",
    "itc.extensions", "itc.figures", "itc.files", "itc.ir", "itc.passes", "itc.records",
    "itc.source", "itc.tables", "itc.units", "itc.visible",
}  # fmt: skip
#: Standard modules that take long to import.
SLOW = {
    "importlib.metadata",
    "email",
    "socket",
    "asyncio",
    "logging.config",
    "unittest",
    "http",
    "ssl",
    "multiprocessing",
}


def imported(command: str, tmp_path: Path) -> set[str]:
    """The modules that a command has imported when it ends."""
    (tmp_path / "n.itn").write_text(SPEC)
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: sys.stderr.write('\\n'.join(sys.modules)))\n"
        f"sys.argv = ['itc', *{command.split()!r}]\n"
        "from itc.__main__ import main\n"
        "main()\n"
    )
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    arguments = [sys.executable, "-S", "-c", code]
    ended = subprocess.run(
        arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    return set(ended.stderr.split())


def test_what_itc_cost_imports(tmp_path: Path) -> None:
    modules = imported("cost n.itn", tmp_path)
    first = {name.partition(".")[0] for name in modules}
    assert first - set(sys.stdlib_module_names) - {"itc", "itc_dsl", "__main__", "_distutils_hack"} == FOREIGN
    assert not modules & SLOW
    own = {name for name in modules if name.partition(".")[0] == "itc" and not name.startswith("itc.ir.")}
    assert own | {"itc.__main__"} == OWN
    assert not modules & {"itc.ir.parser", "itc.ir.printer", "itc_dsl.formatting", "itc_dsl.printer", "lark.tools"}


@pytest.mark.parametrize("command", ["check n.itn", "fmt --check n.itn", "cost n.itn --json"])
def test_no_other_quick_command_imports_typer(command: str, tmp_path: Path) -> None:
    modules = imported(command, tmp_path)
    assert "itc_dsl.parser" in modules
    assert not modules & {"typer", "rich", "pydantic", "click", "torch", "yaml", "PIL", "itc_tile", "itc.installed"}


@pytest.mark.parametrize(
    "arguments",
    [
        "cost a.itn", "cost a.itn --set f=2 --set=g=3", "cost --json a.itn --network n",
        "cost --after dce a.itn --after hoist",
        "cost a.itn --network= --json", "check a.itn b.itn", "check -q a.itn -", "check --quiet --json a --network n",
        "fmt --check --diff a b c -q", "fmt -",
    ],
)  # fmt: skip
def test_plain_arguments_are_read_as_typer_reads_them(arguments: str) -> None:
    name, *rest = arguments.split()
    function: Any = {"cost": cost, "check": check, "fmt": fmt}[name]
    given: dict[str, Any] = {}

    @wraps(function)
    def recorder(**values: Any) -> None:
        given.update(values)

    alone = typer.Typer()
    alone.command()(for_typer(recorder))
    assert CliRunner().invoke(alone, rest).exit_code == 0
    assert read(function, rest) == given


@pytest.mark.parametrize(
    "rest",
    [["--help"], ["-h"], [], ["a", "b"], ["a", "--sets", "f=1"], ["a", "--set"], ["a", "--json=yes"], ["a", "--", "b"]],
)
def test_what_is_not_plain_is_left_to_typer(rest: list[str]) -> None:
    assert read(cost, rest) is None


def test_quick_commands_are_commands() -> None:
    help = CliRunner().invoke(app, ["-h"]).output
    assert all(name in help for name in QUICK)


@pytest.mark.parametrize(
    "table",
    [
        Table("t", (Column("a"), Column("b", right=True)), (("x", "1"), ("longer", "1,234\n56"), ("≈ ü", "—"))),
        Table("no heads", (Column(), Column(fold=True)), (("name", "value"), ("n", "several words")), "a legend"),
        Table("empty", (Column("figure"), Column("itc", right=True)), ()),
    ],
    ids=lambda table: table.title,
)
def test_plain_tables_are_as_rich_draws_them(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    draw(drawn(table))
    lines = capsys.readouterr().out.splitlines()
    text = drawing(table)
    assert text is not None
    assert [line.rstrip() for line in text.splitlines()] == [line.rstrip() for line in lines[1:]]


def test_what_is_too_wide_or_of_another_width_is_for_rich() -> None:
    assert drawing(Table("t", (Column("a"),), (("x" * 97,),))) is None
    assert drawing(Table("t", (Column("a"),), (("网",),))) is None
    assert drawing(Table("t", (Column("a"),), (("x" * 96,),))) is not None


def test_a_spec_is_read_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("check -", "cost -", "show -", "diff - - --set-b f=5", "emit - -o n.py", "weights list -"):
        text = SPEC.replace("n:", "n(f=4):").replace("4, 3)", "f, 3)")
        result = CliRunner().invoke(app, command.split(), input=text)
        assert result.exit_code == int("diff" in command), (command, result.output)
        assert result.output
    result = CliRunner().invoke(app, ["check", "-"], input="network n:\n")
    assert "--> -:" in result.output


def test_check_takes_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.itn").write_text(SPEC)
    Path("b.itn").write_text(SPEC.replace("conv", "cnv"))
    Path("c.itn").write_text(SPEC.replace("network n", "network m"))
    result = CliRunner().invoke(app, ["check", "a.itn", "b.itn", "c.itn"])
    assert result.exit_code == 1
    assert "a.itn: n: 1 parameter" in result.output
    assert "c.itn: m: 1 parameter" in result.output
    assert "--> b.itn:3" in result.output
    assert CliRunner().invoke(app, ["check", "-q", "a.itn", "c.itn"]).output == ""
    assert CliRunner().invoke(app, ["check", "."]).exit_code == 1
    files = CliRunner().invoke(app, ["check", "--json", "a.itn", "b.itn"])
    assert '"file": "b.itn",\n      "errors"' in files.output
