"""`itc show`: any stage of the pipeline as text."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import say_lines
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


#: The options that say something of a stage, of those that not all have.
OPTIONS: dict[Stage, tuple[str, ...]] = {
    Stage.AST: (),
    Stage.IR: ("after", "set_", "network"),
    Stage.TILE: ("after", "set_", "network", "machine"),
    Stage.TORCH: ("after", "set_", "network", "form"),
}


def show(
    context: typer.Context,
    spec: options.Spec,
    stage: Annotated[Stage, typer.Option(help="Which stage to print.")] = Stage.IR,
    machine: options.MachineName = "gc200",
    form: Annotated[Form, typer.Option(help="For the stage torch.")] = Form.ROLLED,
    after: options.After = None,
    set_: options.Set = None,
    network: options.NetworkName = None,
) -> None:
    """Print one stage of the pipeline: the syntax tree, the looped IR, the tile program, or the torch.fx module."""
    check_options(context, stage)
    choices = {Stage.TORCH: {"form": form.value}, Stage.TILE: {"machine": machine}}
    with reporting():
        options.check_passes(after)
        text = stage_text(spec, stage.value, network, set_ or [], after or [], **choices.get(stage, {}))
        say_lines(text)


def check_options(context: typer.Context, stage: Stage) -> None:
    """Ends the command as used wrongly where an option that was given says nothing of the stage."""
    others = set().union(*OPTIONS.values()) - set(OPTIONS[stage])
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in others and source is not None and source.name == "COMMANDLINE":
            hint = f"'{option.opts[0]}'"
            raise typer.BadParameter(f"it says nothing of the stage {stage.value}", param_hint=hint)
