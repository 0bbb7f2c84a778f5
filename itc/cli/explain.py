"""`itc explain`: what a code means, with an example that gives the error and the same example mended."""

from __future__ import annotations

from typing import Annotated

import typer

from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, say, say_lines
from itc.driver import explanations
from itc.explanations import near, normal


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="The code of an error, such as E0301; all are listed without it.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say what the code of an error means, or list all codes."""
    known = explanations()
    if code is not None and normal(code) not in known:
        alike = near(normal(code), known)
        ending = f"did you mean {' or '.join(alike)}?" if alike else "`itc explain` lists the codes"
        raise typer.BadParameter(f"there is no code {code[:40]}; {ending}")
    chosen = [known[normal(code)]] if code else list(known.values())
    with reporting():
        if as_json:
            print_json([{"code": e.code, "title": e.title, "text": e.text} for e in chosen])
        elif code:
            say_lines(f"{chosen[0].code}: {chosen[0].title}\n\n{chosen[0].plain}\n")
        else:
            for found in chosen:
                say(f"{found.code}  {found.title}")
