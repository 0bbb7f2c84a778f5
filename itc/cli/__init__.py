"""The `itc` command: one file a subcommand; this one puts them together."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from itc.cli import check, cost, diff, emit, explain, fmt, machines, run, show, sweep, weights, zoo
from itc.cli.errors import leaving
from itc.cli.printing import open_output, say, visible_usage
from itc.version import __version__


class _Commands(TyperGroup):
    """Sees before typer does that output cannot be written or Ctrl-C was pressed, and what is wrong with arguments."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with leaving(), visible_usage():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with leaving(), visible_usage():
            return super().invoke(ctx)


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
