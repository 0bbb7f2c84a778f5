"""Arguments and options of several subcommands, and the loading of their values."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from itc.driver import Network, find_pass, load, parse_settings
from itc.passes import WrongPass
from itc.transforms import PASSES, PIPELINES

Spec = Annotated[Path, typer.Argument(help="The spec, an .itn file.", metavar="SPEC", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set a parameter (f=29) or an annotation (refine.share=none); again for more, the last of a name holds.",
    ),
]
NetworkName = Annotated[
    str | None, typer.Option("--network", help="Which network of the file; the first unless given.", metavar="NAME")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables; the keys are in docs/json.md.")]


class Precision(StrEnum):
    """Element types of a network's tensors."""

    F32 = "f32"
    F16 = "f16"


InPrecision = Annotated[
    Precision, typer.Option(help="Element type of the tensors: f32 as written, or f16 with sums in f32.")
]
After = Annotated[
    list[str] | None,
    typer.Option(
        "--after",
        metavar="PASS",
        help="The network behind a pass or pipeline; again for more, in this order. Passes: "
        f"{', '.join(p.name for p in PASSES)}, and those of the backends. Pipelines: "
        f"{', '.join(p.name for p in PIPELINES)}. Options: 'unroll(factor=2)', 'peel(first=1, last=1)'.",
    ),
]


def check_passes(names: list[str] | None) -> None:
    """Ends the command as used wrongly where there is no such pass."""
    try:
        for name in names or []:
            find_pass(name)
    except WrongPass as error:
        raise typer.BadParameter(str(error), param_hint="'--after'") from None


def network(spec: Path, name: str | None, settings: list[str] | None) -> Network:
    """The network that the shared arguments name."""
    return load(spec, name, **parse_settings(settings or []))
