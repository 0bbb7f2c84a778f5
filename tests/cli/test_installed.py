"""A backend and a command from another distribution: all that they offer is there, without an edit in itc."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import itc
from itc import installed
from itc.backend import Backend, Option, Stage
from itc.cli import app
from itc.diagnostics import CompileError
from itc.tables import Column, Table, facts

ROOT = Path(__file__).parents[2]
THEIRS = Path(__file__).parent / "theirs"
SPEC = "network n:\n    input image: f32[3, 8, 8]\n    emit y = conv(image, 4) |> relu |> tanh\n"
Offer = Callable[[str, str, str], None]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "spec.itn").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    yield
    installed.forget()


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution in the folder beside this file, as if it were installed."""
    monkeypatch.syspath_prepend(THEIRS)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    installed.forget()


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Installs a distribution of a module: its name, its entry points as text, and the module's text."""

    def install(name: str, points: str, text: str) -> None:
        info = tmp_path / "site" / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        (tmp_path / "site" / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.delitem(sys.modules, name, raising=False)
        installed.forget()

    return install


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def words(result: Result) -> str:
    """What was printed, without frames and breaks of lines."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.output).split())


@pytest.mark.usefixtures("theirs")
def test_their_stage_and_its_options() -> None:
    assert invoke("show", "spec.itn", "--stage", "theirs").output == "conv 1\nrelu 1\ntanh 1\n"
    assert invoke("show", "spec.itn", "--stage", "theirs", "--most", "1", "--sort", "true").output == "conv 1\n"
    for option in (["--most", "many"], ["--sort", "yes"], ["--machine", "abacus"]):
        assert invoke("show", "spec.itn", "--stage", "theirs", *option).exit_code == 2
    assert "says nothing of the stage ir" in words(invoke("show", "spec.itn", "--most", "1"))
    assert "theirs, operations and their counts" in words(invoke("show", "--help"))


@pytest.mark.usefixtures("theirs")
def test_their_emit_target() -> None:
    assert invoke("emit", "spec.itn", "--to", "theirs", "-o", "n.dot").exit_code == 0
    assert Path("n.dot").read_text().splitlines() == ["digraph n {", '  "conv"', '  "relu"', '  "tanh"', "}"]
    assert itc.load("spec.itn").emit("theirs") == Path("n.dot").read_text()
    assert next(iter(installed.targets())) != "theirs"  # the default is still that of the highest priority
    assert "there are: torch, theirs" in words(invoke("emit", "spec.itn", "--to", "x", "-o", "-"))


@pytest.mark.usefixtures("theirs")
def test_their_pass() -> None:
    assert "net @n_renamed_renamed(" in invoke("show", "spec.itn", "--after", "rename(times=2)").output
    assert itc.load("spec.itn").after("rename").ir.name == "n_renamed"


@pytest.mark.usefixtures("theirs")
def test_their_machines_and_report() -> None:
    listed = invoke("machines").output
    assert "gc200" in listed
    assert "abacus" in listed
    assert invoke("machines", "adder").output == "adder: 1000 Hz\n"
    assert {"name": "adder", "clock": 1000} in json.loads(invoke("machines", "--json").output)
    shown = words(invoke("run", "spec.itn", "--machine", "adder"))
    assert all(text in shown for text in ("n on adder", "counted by hand", "6,912", "one MAC a cycle", "y"))
    assert "agreement of the values" in shown  # in a table of its own, as theirs has none by output
    assert json.loads(invoke("run", "spec.itn", "-m", "abacus", "--json").output)["machine"]["cycles"] == 6912
    assert itc.load("spec.itn").compile().report.machine == "gc200"
    assert "E0501" in invoke("run", "spec.itn", "--machine", "adderr").output


@pytest.mark.usefixtures("theirs")
def test_their_command() -> None:
    assert invoke("theircommand", "spec.itn").output == "3\n"
    assert "theircommand From theirs 1.0." in words(invoke("--help"))
    wrong = invoke("theircommand", "spec.itn", "--network", "m")
    assert (wrong.exit_code, "error[E0" in wrong.output) == (1, True)
    assert invoke("theircommand").exit_code == 2


def test_the_lines_of_their_backend_and_command() -> None:
    lines = (THEIRS / "theirs.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 80


def test_a_command_is_not_imported_to_be_listed(offer: Offer) -> None:
    offer("loud", "[itc.commands]\nloud = loud:run\n", "raise RuntimeError('imported')\n")
    assert "loud From loud 1.0." in words(invoke("--help"))
    assert invoke("check", "spec.itn").exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        "raise RuntimeError('no')\n",
        "import nowhere\n",
        "run = 3\n",
        "def run(x: Nothing) -> None: ...\n",
        "x = (\n",
        "exit()",
    ],
)
def test_a_broken_command_is_a_diagnostic_when_it_is_run(offer: Offer, text: str) -> None:
    offer("broken", "[itc.commands]\nbroken = broken:run\n", text)
    result = invoke("broken")
    assert result.exit_code == 1
    assert result.output.startswith("error[E0525]: the command `broken` of broken 1.0 cannot be loaded: ")
    assert invoke("cost", "spec.itn").exit_code == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise RuntimeError('no')\n", "E0524"),
        ("import nowhere\n", "E0521"),
        ("backend = 3\n", "E0524"),
        ("", "E0524"),
        ("from itc.backend import Backend\nbackend = Backend('other')\n", "E0524"),
        ("from itc.backend import Backend, Stage\nbackend = Backend('broken', stages=Stage('s', '', str))\n", "E0524"),
        ("from itc.backend import Backend\nbackend = Backend('broken', requires=('nowhere',))\n", "E0521"),
    ],
)
def test_a_broken_backend_is_in_nobodys_way(offer: Offer, text: str, code: str) -> None:
    offer("broken", "[itc.backends]\nbroken = broken:backend\n", text)
    for arguments in (["--help"], ["show", "spec.itn"], ["show", "--help"], ["machines"], ["check", "spec.itn"]):
        assert invoke(*arguments).exit_code == 0
    with pytest.raises(CompileError, match=code):
        installed.backend("broken")
    if "requires" not in text:
        assert "broken" in words(invoke("show", "spec.itn", "--stage", "x"))


def test_what_a_stage_requires_is_said_when_it_is_shown(offer: Offer) -> None:
    text = (
        "from itc.backend import Backend, Stage\n"
        "stages = (Stage('later', 'a stage', lambda net: 'text'),)\n"
        "backend = Backend('later', stages=stages, requires=('nowhere',), install='nowhere[all]')\n"
    )
    offer("later", "[itc.backends]\nlater = later:backend\n", text)
    result = invoke("show", "spec.itn", "--stage", "later")
    assert result.exit_code == 1
    assert "error[E0521]: the backend `later` needs nowhere" in result.output
    assert "pip install 'nowhere[all]'" in result.output


def test_two_of_a_name(offer: Offer) -> None:
    stage = "stages=(Stage('same', '', lambda net: ''),)"
    for name in ("one", "two"):
        text = f"from itc.backend import Backend, Stage\nbackend = Backend('{name}', {stage})\n"
        points = f"[itc.backends]\n{name} = {name}:backend\n[itc.commands]\nboth = {name}:run\n"
        offer(name, points, text)
    assert "error[E0526]: the command `both` is offered more than once: by one 1.0 and two 1.0" in invoke("both").output
    assert "error[E0526]: the stage `same`" in invoke("show", "spec.itn", "--stage", "same").output
    assert invoke("show", "spec.itn").exit_code == 0


def test_names_of_itc_stay_its_own(offer: Offer) -> None:
    offer("shadow", "[itc.commands]\ncheck = shadow:run\n", "raise RuntimeError('imported')\n")
    assert invoke("check", "spec.itn").exit_code == 0


@pytest.mark.parametrize("name", ["stage", "set", "two words", "for"])
def test_options_that_no_stage_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="none of a stage"):
        Option(name, 1, "")


@pytest.mark.parametrize(
    ("default", "text", "value"), [(1, "2", 2), (1.5, "2", 2.0), (False, "true", True), ("a", "b", "b")]
)
def test_values_have_the_type_of_the_default(default: bool | float | str, text: str, value: object) -> None:
    found = Option("x", default, "").value(text)
    assert (found, type(found)) == (value, type(value))


def test_tables_are_checked() -> None:
    with pytest.raises(ValueError, match="has 1 cells"):
        Table("t", (Column("a"),), (("b", "c"),))
    assert facts("t", [("a", "b")]).beside(Column("c"), {"a": "d"}).rows == (("a", "b", "d"),)
    with pytest.raises(TypeError, match="a tuple of Stage"):
        Backend("x", stages=[Stage("s", "", str)])  # type: ignore[arg-type]


MODULES = """
import sys
from itc.cli import main
sys.argv = ["itc", *sys.argv[1:]]
try:
    main()
except SystemExit as error:
    assert not error.code, error.code
print("modules:", *sys.modules)
"""


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("cost spec.itn", {"torch", "itc_torch", "itc_tile", "PIL"}),
        ("check spec.itn", {"torch", "itc_torch", "itc_tile", "PIL"}),
        ("show spec.itn", {"torch", "itc_tile.machine.model", "itc_tile.compiler", "itc_torch.module"}),
        ("emit --help", {"torch", "itc_tile.machine.model", "itc_tile.compiler", "itc_torch.module"}),
        ("show spec.itn --stage tile -m edge-16", {"torch", "itc_torch.module"}),
        ("machines", {"torch", "itc_tile.compiler"}),
    ],
)
def test_commands_import_what_they_need(command: str, absent: set[str]) -> None:
    """The modules of a command, in a process of its own."""
    arguments = [sys.executable, "-c", MODULES, *command.split()]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert not absent & set(done.stdout.rpartition("modules: ")[2].split())


def test_nothing_in_itc_names_a_backend() -> None:
    """No module or document, and only one module reads entry points."""
    names = re.compile(r"itc_tile|itc_torch|[\"'](tile|torch)[\"']|gc200")
    paths = [path for path in (ROOT / "itc").rglob("*") if path.suffix in (".py", ".md")]
    if not paths:
        pytest.skip("the sources are not here")
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}
    assert [path for path, text in texts.items() if names.search(text)] == []
    assert [path for path, text in texts.items() if "entry_points(" in text] == [
        "itc/extensions.py",
        "itc/installed.py",
    ]


def recipe(title: str) -> dict[str, str]:
    """The blocks of a recipe in CONTRIBUTING by language."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    _, _, section = text.partition(f"## {title}\n")
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL))


@pytest.mark.skipif(not (ROOT / "CONTRIBUTING.md").exists(), reason="the sources are not here")
@pytest.mark.parametrize("title", ["Add a backend", "Add a command"])
def test_the_recipes_of_contributing(title: str, offer: Offer) -> None:
    """The module and its entry points as they stand there, then the session of the recipe."""
    blocks = recipe(title)
    ((group, points),) = tomllib.loads(blocks["toml"])["project"]["entry-points"].items()
    ((name, place),) = points.items()
    offer(place.partition(":")[0], f"[{group}]\n{name} = {place}\n", blocks["python"])
    command, _, printed = blocks["console"].partition("\n")
    assert invoke(*command.removeprefix("$ itc ").split()).output == printed
