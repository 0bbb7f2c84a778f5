"""Every malformed spec in `errors/` gives the diagnostics of its golden file, and the edits that they propose work."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from itc.diagnostics import CompileError, Diagnostic, Edit
from itc.source import Source
from itc_dsl import load_net, read_source
from itc_dsl.errors import CODES
from tests.conftest import Golden

FOLDER = Path(__file__).parent / "errors"
SPECS = sorted(path.name for path in FOLDER.glob("*.itn"))


@cache
def diagnostics(name: str) -> tuple[Diagnostic, ...]:
    """What loading a file of the current folder reports."""
    with pytest.raises(CompileError) as raised:
        load_net(read_source(Path(name)), search=Path())
    return raised.value.diagnostics


def remaining(source: Source) -> list[tuple[str, str]]:
    """Code and message of what is wrong with a text, nothing if it loads."""
    try:
        load_net(source)
    except CompileError as error:
        return [(d.code, d.message) for d in error.diagnostics]
    return []


def mended(text: str, edits: list[Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


@pytest.fixture(autouse=True)
def _in_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("name", SPECS)
def test_golden(name: str, golden: Golden) -> None:
    error = CompileError(diagnostics(name))
    golden(FOLDER / Path(name).with_suffix(".err"), str(error))


@pytest.mark.parametrize("name", SPECS)
def test_edits_mend_what_they_are_for(name: str) -> None:
    found = diagnostics(name)
    edits = [d.edit for d in found if d.edit]
    if edits:
        source = Source(name, mended(read_source(Path(name)).text, edits))
        assert remaining(source) == [(d.code, d.message) for d in found if not d.edit]


def test_an_edit_is_promised_wherever_a_help_says_did_you_mean() -> None:
    for name in SPECS:
        for d in diagnostics(name):
            assert d.edit or "did you mean" not in d.help, d


@pytest.mark.parametrize("name", SPECS)
def test_places(name: str) -> None:
    for d in diagnostics(name):
        assert d.code in CODES
        if not d.code.startswith("E06"):
            assert d.primary is not None
            assert 0 <= d.primary.span.start <= d.primary.span.end <= len(d.primary.span.source.text)
