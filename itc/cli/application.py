"""The `itc` command as a Typer app."""

from __future__ import annotations

import typer

from itc.cli.commands import HELP, Commands
from itc.cli.printing import say

app = typer.Typer(
    cls=Commands,
    name="itc",
    help="The compiler for iterative neural networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=HELP,
)


def _version(asked: bool) -> None:
    if asked:
        from itc.version import __version__  # noqa: PLC0415 -- reads the metadata of the distribution

        say(f"itc {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """The compiler for iterative neural networks."""
