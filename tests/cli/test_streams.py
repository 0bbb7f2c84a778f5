"""Where the output goes: closed pipes, full disks, and encodings that lack letters."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ITNET = str(Path(__file__).parents[2] / "examples" / "itnet.itn")


@pytest.mark.parametrize("arguments", [["check", ITNET], ["cost", ITNET], ["show", ITNET], ["machines", "--json"]])
def test_a_closed_pipe_is_no_error(arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from itc.cli import main; main()", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (0, b"")


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `itc` says in a shell, where `itc` is this interpreter's."""
    itc = f"{shlex.quote(sys.executable)} -c 'from itc.cli import main; main()'"
    command = line.replace("itc ", f"{itc} ", 1)
    return subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("arguments", ["--help", "check --help", "machines"])
def test_a_full_disk_is_an_error(arguments: str) -> None:
    found = shell(f"itc {arguments} > /dev/full")
    assert found.returncode == 1
    assert found.stderr.startswith("error[E0620]: cannot write: ")


def test_closed_output_is_no_error() -> None:
    assert shell("itc machines >&-").returncode == 0
    assert shell("itc check nothing.itn 2>&-").returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_the_output_lacks(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "网é.itn").write_text(
        "# 网é\nnetwork n:\n    input x: f32[3, 8, 8]\n    emit y = relu(x)\n", encoding="utf-8"
    )
    for arguments in (f"check {tmp_path}/*.itn", "zoo espnetv2"):
        found = shell(f"itc {arguments}", PYTHONIOENCODING=encoding)
        assert (found.returncode, found.stderr) == (0, "")
    written = shell(f"cat {tmp_path}/*.itn | itc fmt -", PYTHONIOENCODING=encoding).stdout
    assert written == (tmp_path / "网é.itn").read_text(encoding="utf-8")
