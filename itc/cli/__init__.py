"""The `itc` command: one file a subcommand; this one puts them together."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from itc.cli import check, cost, diff, emit, explain, fmt, machines, run, show, sweep, weights, zoo
from itc.cli.errors import open_output, reporting
from itc.version import __version__


class _Commands(TyperGroup):
    """Sees the errors of writing before click does, which leaves with status 1 where a pipe is closed."""

    def invoke(self, ctx: Any) -> Any:
        with reporting():
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()


app = typer.Typer(
    cls=_Commands,
    name="itc",
    help="The compiler for iterative neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
COMMANDS = (
    check.check, show.show, cost.cost, diff.diff, run.run, emit.emit, fmt.fmt, explain.explain, machines.machines,
    sweep.sweep, zoo.zoo,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.add_typer(weights.app, name="weights")


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
    open_output()
    with reporting():  # for what is printed before a command is run, such as its help
        app()


__all__ = ["app", "main"]
