"""Documentation comments: what stands directly above a definition, and at the top of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from itc.cli import app
from itc.source import Source
from itc_dsl import documentation, file_documentation, parse

NET = "network net:\n    input image: f32[1]\n    emit y = image\n"
SPEC = f"""itn 1
# About the file.
#
# More of it.

# A block.
#   Indented.
@share(calls)
block a(x):
    # This is for those who read the body.
    return x

# This is above nothing.

{NET}
"""


def found(text: str) -> tuple[str, list[str]]:
    module = parse(Source("spec.itn", text))
    return file_documentation(module), [documentation(definition) for definition in module.definitions]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_of_files_and_definitions(ending: str) -> None:
    text = SPEC.replace("\n", ending)
    assert found(text) == ("About the file.\n\nMore of it.", ["A block.\n  Indented.", ""])


@pytest.mark.parametrize("head", ["# Of the network.\n", "itn 1\n# Of the network.\n", "\n\n# Of the network.\n"])
def test_a_comment_that_touches_the_first_definition_is_not_the_files(head: str) -> None:
    assert found(head + NET) == ("", ["Of the network."])


def test_check_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "spec.itn"
    path.write_text(SPEC)
    printed = json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).output)
    assert printed["about"].startswith("About the file.")
    assert printed["documentation"] == {"a": "A block.\n  Indented."}
