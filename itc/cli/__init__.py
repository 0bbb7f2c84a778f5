"""The `itc` command: one file a subcommand; this one puts them together."""

from __future__ import annotations

import typer

from itc.cli import check, cost, emit, machines, run, show, sweep, zoo
from itc.cli.errors import reporting
from itc.version import __version__

app = typer.Typer(
    name="itc",
    help="The compiler for iterative neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (check.check, show.show, cost.cost, run.run, emit.emit, machines.machines, sweep.sweep, zoo.zoo):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"itc {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """The compiler for iterative neural networks."""


def main() -> None:
    """The entry point: exit status 0, 1 for errors in files, 2 for a wrong use of the command line."""
    with reporting():
        app()


__all__ = ["app", "main"]
