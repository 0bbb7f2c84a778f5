"""`itc ops`, `itc std` and `itc new`: what a spec can call, and a spec to start from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import itc
from itc.cli import app
from itc.ir.op import LAYERS
from itc_dsl.program import std_names


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_operations_are_listed_and_described() -> None:
    listed = json.loads(run("ops", "--json").stdout)
    assert [entry["name"] for entry in listed] == sorted(LAYERS)
    assert all(entry["about"] for entry in listed)
    assert "conv(x, out, kernel=3, *, stride=1, pad=same" in run("ops", "conv").output
    assert "did you mean conv?" in run("ops", "convv").output
    assert run("ops", "convv").exit_code == 2


def test_the_standard_library_is_listed_and_printed() -> None:
    listed = json.loads(run("std", "--json").stdout)
    assert [entry["name"] for entry in listed] == list(std_names())
    assert run("std", "gru").output.count("block gru(") == 1
    assert "conv_norm_relu(" in run("std").output


def test_a_new_spec_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "wrote first.itn" in run("new", "first").output
    assert run("fmt", "--check", "first.itn").exit_code == 0
    assert run("check", "-q", "first.itn").exit_code == 0
    assert len(itc.load("first.itn", times=3).ir.labels) == 3
    again = run("new", "first")
    assert (again.exit_code, "error[E0670]" in again.output) == (1, True)
    for name in ("if", "a b", "../up", "1st", ""):
        assert run("new", name).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["first.itn"]
    assert run("new", "-q", "second.itn").output == ""
