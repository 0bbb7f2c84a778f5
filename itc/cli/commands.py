"""The subcommands: itc's own and those of other distributions, each imported when it is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from itc import installed
from itc.cli.arguments import for_typer
from itc.cli.errors import leaving, reporting
from itc.cli.terminal import unmarked
from itc.visible import visible_lines

#: Where each subcommand stands: a function or an app, or for those of COMPLETED a function that gives it.
OWN = {
    "check": "check:check",
    "show": "show:command",
    "cost": "cost:cost",
    "diff": "diff:diff",
    "run": "run:command",
    "emit": "emit:command",
    "fmt": "fmt:fmt",
    "explain": "explain:explain",
    "machines": "machines:machines",
    "validate": "validate:command",
    "sweep": "sweep:sweep",
    "zoo": "zoo:zoo",
    "weights": "weights:app",
    "new": "new:new",
    "ops": "reference:ops",
    "std": "reference:std",
}
COMPLETED = ("show", "run", "emit", "validate")
#: The flags of the help, of every command.
HELP = {"help_option_names": ["-h", "--help"]}
#: What typer raises for a wrong use of the command line.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


@contextmanager
def visible_usage() -> Iterator[None]:
    """What is wrong with the arguments is said by typer, with the arguments in it: as `visible` has them."""
    try:
        yield
    except _UsageError as error:
        message = visible_lines(error.format_message())  # type: ignore[attr-defined]
        error.format_message = lambda: message  # type: ignore[attr-defined]
        raise


class Commands(TyperGroup):
    """The group of all subcommands; those of itc go before those of the same name from elsewhere.

    Sees before typer does that output cannot be written or Ctrl-C was pressed, and what is wrong with arguments.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        points = {point.name: point for point in installed.points(installed.COMMANDS) if point.name not in OWN}
        self.commands.update({name: TyperCommand(name) for name in OWN})
        self.commands.update({name: External(point) for name, point in points.items()})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return own(cmd_name) if cmd_name in OWN else super().get_command(ctx, cmd_name)

    def make_context(self, *args: Any, **options: Any) -> Any:
        with leaving(), visible_usage():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with leaving(), visible_usage():
            return super().invoke(ctx)


class External(TyperCommand):
    """A command of another distribution: listed without being imported, and itself from when its arguments are read."""

    def __init__(self, point: EntryPoint) -> None:
        about = unmarked(f"From {installed.distribution(point)}.")
        super().__init__(point.name, callback=lambda: None, help=about)
        self.point = point

    def make_context(self, *args: Any, **options: Any) -> Any:
        with reporting():
            offered = installed.command(self.point)
            try:
                loaded = command(self.point.name, offered, reported=True)
            except Exception as error:
                raise installed.broken_command(self.point, error) from error
        return loaded.make_context(*args, **options)


def own(name: str) -> Any:
    """A subcommand of itc, imported for it."""
    offered = resolve_name(f"itc.cli.{OWN[name]}")
    return command(name, offered() if name in COMPLETED else offered)


def command(name: str, offered: Any, reported: bool = False) -> Any:
    """The command of a Typer app or of a function; the CompileErrors of one that is `reported` become diagnostics."""
    app = offered
    if not isinstance(offered, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        app.command(name, context_settings=HELP)(for_typer(offered))
    found = typer.main.get_command(app)
    found.name = name
    if reported:
        _report_errors(found)
    return found


def _report_errors(found: Any) -> None:
    """Makes a command end as itc's own do where it raises CompileError."""
    invoke = found.invoke

    def reporting_invoke(context: Any) -> Any:
        with reporting():
            return invoke(context)

    found.invoke = reporting_invoke
