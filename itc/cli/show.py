"""`itc show`: any stage of the pipeline as text."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from itc.cli import options
from itc.cli.errors import reporting
from itc.driver import stage_text


class Stage(StrEnum):
    """The stages that have a text form."""

    AST = "ast"
    IR = "ir"
    TILE = "tile"
    TORCH = "torch"


class Form(StrEnum):
    """The two forms of a torch module."""

    ROLLED = "rolled"
    UNROLLED = "unrolled"


def show(
    spec: options.Spec,
    stage: Annotated[Stage, typer.Option(help="Which stage to print.")] = Stage.IR,
    machine: options.MachineName = "gc200",
    form: Annotated[Form, typer.Option(help="For the stage torch.")] = Form.ROLLED,
    after: options.After = None,
    set_: options.Set = None,
    network: options.NetworkName = None,
) -> None:
    """Print one stage of the pipeline: the syntax tree, the looped IR, the tile program, or the torch.fx module."""
    choices = {Stage.TORCH: {"form": form.value}, Stage.TILE: {"machine": machine}}
    with reporting():
        options.check_passes(after)
        text = stage_text(spec, stage.value, network, set_ or [], after or [], **choices.get(stage, {}))
        typer.echo(text, nl=False)
