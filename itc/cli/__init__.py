"""The `itc` command: one file a subcommand; `commands` lists them, and finds those of other distributions."""

from __future__ import annotations

import typer

from itc.cli.commands import Commands
from itc.cli.errors import leaving
from itc.cli.printing import open_output, say
from itc.version import __version__

app = typer.Typer(
    cls=Commands,
    name="itc",
    help="The compiler for iterative neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(asked: bool) -> None:
    if asked:
        say(f"itc {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """The compiler for iterative neural networks."""


def main() -> None:
    """Runs the command of the arguments; `itc.__main__` is the entry point."""
    open_output()
    with leaving():  # for what typer prints itself, such as the help
        app()


__all__ = ["app", "main"]
