"""`itc emit`: source that needs no itc, from a spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from itc import installed
from itc.cli import options
from itc.cli.choices import choice, chosen, completed
from itc.cli.errors import reporting
from itc.cli.printing import hushed, say, write
from itc.driver import parse_settings, read
from itc.files import writable, write_text


def emit(
    spec: options.Spec,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file to write, or `-` for standard output.", show_default=False),
    ],
    to: str = "",
    precision: options.Precision = "f32",
    set_: options.Set = None,
    network: options.NetworkName = None,
    quiet: options.Quiet = False,
) -> None:
    """Write a network as readable source that does not import itc."""
    chosen(to, installed.targets(), "emit target", "--to")
    narrowing = options.quantization_to(precision)
    with reporting():
        piped = str(output) == "-"
        loaded = read(spec)
        if not piped:
            writable(output, loaded.files)
        text = loaded.network(network, **parse_settings(set_ or [])).after(*narrowing).emit(to)
        if piped:
            write(text)
            return
        write_text(output, text)
    with hushed(quiet):
        say(f"wrote {output} ({len(text.splitlines())} lines)")


def command() -> Callable[..., None]:
    """The subcommand, with the emit targets of the backends that are installed."""
    targets = installed.targets()
    helps = {target.name: f"{target.help} ({target.suffix})" for target in targets.values()}
    return completed(emit, {"to": choice("--to", helps, "What to emit:", next(iter(targets), ""))})
