"""Text from outside never acts on the terminal and is never markup, whichever command prints it."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from itc.cli import app
from itc.cli.printing import say
from itc.cli.terminal import styled
from itc.diagnostics import Diagnostic, Label, render
from itc.driver import load, machine_backend
from itc.source import Source
from itc.visible import visible, visible_lines
from itc.weights import save

ROOT = Path(__file__).parents[2]
#: Colours, clears the screen, sets the title, rings, starts a line with an error, turns the direction, is no text.
HOSTILE = "a\x1b[31m\x1b[2J\x1b]0;title\x07b\nerror[E0999]: forged\u202e\u200b\udcff[/][red]$x"
ACTING = re.compile(
    "[^\n\t -~\u00a1-\u167f\u2014\u2190-\ufffd]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069]|^error\\[E0999", re.M
)
SPEC = """\
@published(params="108", source="[/red] {odd}")
network n(f=4, s="a"):
    input x: f32[3, 8, 8]
    if s == "b":
        f = f + 1
    emit y = conv(x, f, 3)
"""


def test_every_line_that_python_or_a_terminal_may_end_is_one_line() -> None:
    shown = visible("a\nb\rc\x85d\u2028e\x0bf\x1b\udcff\ud800")
    assert shown == "a\\nb\\rc\\x85d\\u2028e\\x0bf\\x1b\\xff\\ud800"
    assert visible_lines("a\n\tb\x1b") == "a\n\tb\\x1b"
    assert visible("naïve 网 ü → █") == "naïve 网 ü → █"


def test_diagnostics_quote_what_is_hostile() -> None:
    source = Source(HOSTILE, "x = 1\n")
    label = Label(source.span(0, 1), HOSTILE)
    other = Label(Source(HOSTILE + "2", "y\n").span(0, 1), HOSTILE)
    text = render([Diagnostic("E0101", HOSTILE, label, (other,), help=f"first\n{HOSTILE}")])
    assert not ACTING.search(text), text
    assert text.splitlines()[0].startswith("error[E0101]: a\\x1b[31m\\x1b[2J")


def test_parts_of_a_line_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    say("[bold]", ("[/]", "bold"), ":smile:\n", styled("[x]").plain)
    assert capsys.readouterr().out == "[bold][/]:smile:\\n[x]\n"


def test_everything_is_printed_in_one_place() -> None:
    """Other modules of the command line print with what these two offer, in which nothing is markup."""
    folder = ROOT / "itc" / "cli"
    if not folder.is_dir():
        pytest.skip("the sources are not here")
    printing = re.compile(
        r"\bprint\(|typer\.echo|Console\(|sys\.std(out|err)\.write|rich\.markup|\bText\((?!line\)|\")"
    )
    for path in folder.glob("*.py"):
        if path.name not in ("printing.py", "terminal.py"):
            assert not printing.search(path.read_text(encoding="utf-8")), path.name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a hostile name with hostile files, as the current one."""
    path = tmp_path / "odd\x1b[31m\n[error]\udcff"
    path.mkdir()
    monkeypatch.chdir(path)
    Path("n.itn").write_text(SPEC.format(odd="x"))
    odd = f"n{HOSTILE.replace('/', '|')}.itn"
    Path(odd).write_text(SPEC.format(odd="y").replace("f=4", "f = 4"))
    Path(f"bad{odd}").write_text("network n:\n    emit y = \n")
    machine = machine_backend().text("edge-16")
    for file, name in (("m.yaml", f"m{HOSTILE}".replace("\udcff", "")), ("half.yaml", "m\ud800")):
        Path(file).write_text(machine.replace("name: edge-16\n", f"name: {json.dumps(name)}\n"))
    Path("unknown.yaml").write_text(f"{machine}\n{json.dumps('key' + HOSTILE.replace(chr(0xDCFF), ''))}: 3\n")
    keys = {f"layer{HOSTILE.replace(chr(0xDCFF), '')}.weight": np.zeros((4, 3, 3, 3), np.float32)}
    save(Path("w.safetensors"), load("n.itn").weights() | keys)
    save(Path("other.safetensors"), keys)
    return path


def itc(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def commands() -> dict[str, list[str]]:
    """Calls of every command with hostile names, arguments, settings, file names and files."""
    odd = f"n{HOSTILE.replace('/', '|')}.itn"
    here = str(Path.cwd() / "n.itn")
    return {
        "check": ["check", odd],
        "check here": ["check", here],
        "check bad": ["check", f"bad{odd}"],
        "check missing": ["check", f"missing{odd}"],
        "check setting": ["check", "n.itn", "--set", f"s={HOSTILE}"],
        "check text": ["check", "n.itn", "--set", f"f='{HOSTILE}'"],
        "check name": ["check", "n.itn", "--set", f"{HOSTILE}=1"],
        "check network": ["check", "n.itn", "--network", HOSTILE],
        "check argument": ["check", "n.itn", HOSTILE],
        "check option": ["check", "n.itn", f"--{HOSTILE}"],
        "command": [HOSTILE],
        "show": ["show", odd],
        "show ast": ["show", odd, "--stage", "ast"],
        "show stage": ["show", odd, "--stage", HOSTILE],
        "show pass": ["show", odd, "--after", HOSTILE],
        "cost": ["cost", odd],
        "cost pass": ["cost", odd, "--after", f"unroll({HOSTILE}=2)"],
        "diff": ["diff", odd, "--set-b", f"s='{HOSTILE}'"],
        "diff other": ["diff", odd, f"missing{odd}"],
        "run": ["run", here, "-m", "m.yaml", "-w", "w.safetensors"],
        "run out": ["run", here, "-m", "m.yaml", "-o", f"out{odd}"],
        "run machine": ["run", here, "-m", HOSTILE],
        "run half": ["run", here, "-m", "half.yaml"],
        "run key": ["run", here, "-m", "unknown.yaml"],
        "run weights": ["run", here, "-w", "other.safetensors"],
        "run picture": ["run", here, "-i", f"{odd}.png"],
        "emit": ["emit", odd, "-o", f"{odd}.py"],
        "emit -": ["emit", odd, "-o", "-"],
        "emit folder": ["emit", odd, "-o", f"no{odd}/x.py"],
        "fmt check": ["fmt", "--check", odd],
        "fmt diff": ["fmt", "--diff", odd],
        "fmt": ["fmt", odd],
        "fmt bad": ["fmt", f"bad{odd}"],
        "explain": ["explain", HOSTILE],
        "machines": ["machines", HOSTILE],
        "sweep": ["sweep", odd, "--set", "f=4..6", "--set", 's="[/]","[red]x"', "--max", "f", "--plot", "p.svg"],
        "sweep setting": ["sweep", odd, "--set", f"s={HOSTILE}"],
        "sweep front": ["sweep", odd, "--set", "f=4..6", "--front", HOSTILE],
        "sweep where": ["sweep", odd, "--set", "f=4..6", "--where", f"s == '{HOSTILE}'"],
        "sweep csv": ["sweep", odd, "--set", "f=4..6", "--csv", f"no{odd}/x.csv"],
        "sweep plot": ["sweep", odd, "--set", "f=4..6", "--plot", f"{odd}.gif"],
        "ops": ["ops", HOSTILE],
        "std": ["std", HOSTILE],
        "new": ["new", HOSTILE],
        "zoo": ["zoo", odd],
        "zoo here": ["zoo", str(Path.cwd())],
        "zoo missing": ["zoo", HOSTILE],
        "weights list": ["weights", "list", odd],
        "weights import": ["weights", "import", "w.safetensors", "--spec", odd, "-o", f"{odd}.st"],
        "weights pair": ["weights", "import", "w.safetensors", "--spec", odd, "-o", "o.st", "--pair", HOSTILE],
        "weights other": ["weights", "import", "other.safetensors", "--spec", odd, "-o", "o.st"],
        "weights partial": ["weights", "import", "other.safetensors", "--spec", odd, "-o", "o.st", "--partial"],
        "weights command": ["weights", HOSTILE],
    }


def test_no_command_prints_what_acts_on_a_terminal(folder: Path) -> None:
    for name, arguments in commands().items():
        result = itc(*arguments)
        assert not ACTING.search(result.output), (name, result.output)
        assert "Traceback" not in result.output
        assert result.output, name
        assert result.exit_code in (0, 1, 2), name


def test_what_is_in_json_is_escaped(folder: Path) -> None:
    for name in ("check", "check bad", "check missing", "cost", "run key", "sweep setting", "weights other"):
        assert not ACTING.search(itc(*commands()[name], "--json").output), name


def test_all_commands_are_tried(folder: Path) -> None:
    from itc.cli.weights import app as of_weights

    tried = {shlex.join(arguments[: 1 + (arguments[0] == "weights")]) for arguments in commands().values()}
    names: set[Any] = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names | {f"weights {command.name}" for command in of_weights.registered_commands} <= tried


def test_a_formatted_spec_goes_through_a_pipe_as_it_is() -> None:
    text = "network n:\n    input x: f32[3, 8, 8]  # \u200bé[/red]\n    emit y = relu(x)\n"
    assert CliRunner().invoke(app, ["fmt", "-"], input=text.encode()).stdout_bytes.decode() == text
    assert os.linesep == "\n"
