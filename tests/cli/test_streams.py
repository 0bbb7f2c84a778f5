"""Where output goes: closed pipes, full disks, files not open for writing, encodings without some letters; Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import itc
from itc import weights

ROOT = Path(__file__).parents[2]
ITNET = str(ROOT / "examples" / "itnet.itn")
SPEC = "network n(f=4):\n    input x: f32[3, 8, 8]\n    emit y = conv(x, f, 3)\n"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
#: Every command, with arguments with which it has something to print; some with what is piped in.
COMMANDS = {
    "--help": "",
    "--version": "",
    "check --help": "",
    "check n.itn": "",
    "check nothing.itn --json": "",
    "show n.itn": "",
    "cost n.itn": "",
    "diff n.itn --set-b f=5": "",
    "run n.itn -m edge-16": "",
    "emit n.itn -o -": "",
    "emit n.itn -o n.py": "",
    "fmt -": SPEC,
    "fmt - --diff": SPEC.replace("=4", " =  4"),
    "explain": "",
    "explain E0101": "",
    "machines": "",
    "machines gc200": "",
    "sweep n.itn --set f=4..6": "",
    "sweep n.itn --set f=4..6 --json": "",
    "zoo n.itn": "",
    "weights list n.itn": "",
    "weights import w.safetensors --spec n.itn -o out.safetensors": "",
}

FEW = ["--help", "check n.itn", "check nothing.itn --json", "cost n.itn", "fmt -", "emit n.itn -o -", "show n.itn"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec and a checkpoint for it."""
    path = tmp_path_factory.mktemp("streams")
    (path / "n.itn").write_text(SPEC)
    weights.save(path / "w.safetensors", itc.load(path / "n.itn").weights())
    return path


def forked(folder: Path, cases: list[tuple[list[str], str, str]]) -> list[dict[str, Any]]:
    """What commands do whose standard output is `captured`, `full`, `read only` or a `closed pipe`."""
    command = [sys.executable, str(Path(__file__).with_name("forked.py")), "n.itn"]
    given = json.dumps(cases)
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, cwd=folder, env=ENVIRONMENT)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


#: How standard output is opened, and what is then said.
UNWRITABLE = {
    "full": "error[E0620]: cannot write: No space left on device",
    "read only": "error[E0620]: cannot write: Bad file descriptor",
    "closed pipe": "",
}


def test_output_of_any_command_that_cannot_be_written(folder: Path) -> None:
    pytest.importorskip("torch")
    lines = {"full": COMMANDS, "read only": FEW, "closed pipe": FEW}
    cases = [(shlex.split(line), how, COMMANDS[line]) for how in UNWRITABLE for line in lines[how]]
    for case, found in zip(cases, forked(folder, cases), strict=True):
        assert found["status"] == 1, (case, found)
        assert found["error"].partition("\n\n")[0] == UNWRITABLE[case[1]], (case, found)


def test_all_commands_are_tried() -> None:
    from itc.cli import app
    from itc.cli.weights import app as of_weights

    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    more = {f"weights {command.name}" for command in of_weights.registered_commands}
    assert all(any(line.startswith(name) for line in COMMANDS) for name in names | more)


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `itc` says in a shell, where `itc` is this interpreter's."""
    command = line.replace("itc ", f"{shlex.quote(sys.executable)} -m itc ", 1)
    return subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**ENVIRONMENT, **environment},
    )


def test_errors_that_cannot_be_written_leave_the_status() -> None:
    assert shell("itc check nothing.itn 2> /dev/full").returncode == 1
    found = shell("itc --version 2> /dev/full")
    assert (found.returncode, found.stdout[:4]) == (0, "itc ")


def test_closed_output_is_no_error() -> None:
    assert shell("itc machines >&-").returncode == 0
    assert shell("itc check nothing.itn 2>&-").returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_the_output_lacks(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "网é.itn").write_text(
        "# 网é\nnetwork n:\n    input x: f32[3, 8, 8]\n    emit y = relu(x)\n", encoding="utf-8"
    )
    for arguments in (f"check {tmp_path}/*.itn", f"zoo {tmp_path}"):
        found = shell(f"itc {arguments}", PYTHONIOENCODING=encoding)
        assert (found.returncode, found.stderr) == (0, "")
    written = shell(f"cat {tmp_path}/*.itn | itc fmt -", PYTHONIOENCODING=encoding).stdout
    assert written == (tmp_path / "网é.itn").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", ["</dev/zero", "<&-", "0>/dev/null"])
def test_what_is_piped_in_is_bounded_and_may_be_missing(given: str) -> None:
    found = shell(f"itc fmt - {given}")
    code = "E0108" if given == "</dev/zero" else "E0603"
    assert (found.returncode, found.stderr[:12]) == (1, f"error[{code}]")


@pytest.mark.parametrize("after", [0.05, 0.15, 0.3, 0.6])
def test_ctrl_c_while_it_starts(after: float) -> None:
    """Once the entry point runs, there is one line and the status 130, whatever is imported at the time."""
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background ignores it
    script = f"import sys; {heed}; from itc.__main__ import main; print(end='ready', flush=True); sys.exit(main())"
    command = [sys.executable, "-c", script, "zoo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout and process.stderr
        assert process.stdout.read(5) == b"ready"
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        assert (process.wait(), process.stderr.read()) == (130, b"interrupted\n")
