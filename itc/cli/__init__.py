"""The `itc` command: one file a subcommand; `commands` lists them, and finds those of other distributions.

Commands that editors and scripts call often are run without typer where their arguments are plain: typer imports
pydantic, which takes longer than they do.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from itc.cli.errors import leaving
from itc.cli.printing import open_output

if TYPE_CHECKING:
    from itc.cli.application import app

#: Where the commands that may be run without typer stand: functions whose arguments are data.
QUICK = {"check": "check:check", "cost": "cost:cost", "fmt": "fmt:fmt"}
#: Is set while a shell asks for what completes a line.
COMPLETING = "_ITC_COMPLETE"


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'itc.cli' has no attribute {name!r}")
    return import_module("itc.cli.application").app


def main() -> None:
    """Runs the command of the arguments; `itc.__main__` is the entry point."""
    open_output()
    with leaving():  # for what typer prints itself, such as the help
        if COMPLETING in os.environ or not run_quickly(sys.argv[1:]):
            import_module("itc.cli.application").app()


def run_quickly(arguments: list[str]) -> bool:
    """Runs a command without typer; whether it could be."""
    if not arguments or arguments[0] not in QUICK:
        return False
    function = resolve_name(f"itc.cli.{QUICK[arguments[0]]}")
    values = import_module("itc.cli.arguments").read(function, arguments[1:])
    if values is None:
        return False
    try:
        function(**values)
    except Exception as error:
        if "typer" in sys.modules and isinstance(error, sys.modules["typer"].BadParameter):
            return False  # typer says what is wrong, with the usage
        raise
    return True


__all__ = ["app", "main"]
