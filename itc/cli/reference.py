"""`itc ops` and `itc std`: what a spec can call, and what each of it does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from itc.cli import options
from itc.cli.arguments import Argument
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables, say_lines
from itc.driver import references
from itc.tables import Column, Table

#: Characters of a list's line for what something does.
SHORT = 60
#: The end of a sentence, but not that of "et al."
END = re.compile(r"(?<! al)\. |; ")


def ops(
    name: Annotated[str | None, Argument("Print all that is known of this operation.", "NAME")] = None,
    as_json: options.Json = False,
) -> None:
    """List the operations that a spec can call, or print the signature and the meaning of one."""
    with reporting(as_json):
        _show(
            references("operations"), name, as_json, "operation", "operations: docs/language.md has an example of each"
        )


def std(
    name: Annotated[str | None, Argument("Print the source of this block.", "NAME")] = None,
    as_json: options.Json = False,
) -> None:
    """List the blocks of the standard library, or print the source of one to read or to start from."""
    with reporting(as_json):
        _show(references("blocks"), name, as_json, "block of std", "std: import with `from std import NAME`")


def _show(known: Mapping[str, Any], name: str | None, as_json: bool, kind: str, title: str) -> None:
    if name is not None and name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"
        raise typer.BadParameter(f"there is no {kind} {name[:100]}{hint}")
    chosen = known.values() if name is None else [known[name]]
    if as_json:
        print_json([{"name": e.name, "signature": e.signature, "about": e.about} for e in chosen])
    elif name is not None:
        say_lines(known[name].text)
    else:
        rows = tuple((entry.signature, _short(entry.about)) for entry in chosen)
        print_tables(Table(title, (Column(fold=True), Column(fold=True)), rows))


def _short(about: str) -> str:
    """The first sentence, at most a line."""
    sentence = END.split(about, maxsplit=1)[0].rstrip(".")
    return sentence if len(sentence) <= SHORT else f"{sentence[: SHORT - 3].rsplit(' ', 1)[0]}..."
