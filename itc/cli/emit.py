"""`itc emit`: a standalone module from a spec."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import say, write
from itc.driver import parse_settings, read
from itc.files import writable, write_text


class Target(StrEnum):
    """What can be emitted."""

    TORCH = "torch"


def emit(
    spec: options.Spec,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file to write, or `-` for standard output.", show_default=False),
    ],
    to: Annotated[Target, typer.Option("--to", help="What to emit.")] = Target.TORCH,
    set_: options.Set = None,
    network: options.NetworkName = None,
) -> None:
    """Write a readable PyTorch module that does not import itc."""
    with reporting():
        piped = str(output) == "-"
        loaded = read(spec)
        if not piped:
            writable(output, loaded.files)
        text = loaded.network(network, **parse_settings(set_ or [])).emit(to.value)
        if piped:
            write(text)
            return
        write_text(output, text)
    say(f"wrote {output} ({len(text.splitlines())} lines)")
