"""`itc show`: any stage of the pipeline as text."""

from __future__ import annotations

from collections.abc import Callable

import typer

from itc import installed
from itc.backend import Option
from itc.cli import options
from itc.cli.choices import choice, chosen, completed, stage_options, values
from itc.cli.errors import reporting
from itc.cli.printing import say_lines
from itc.driver import STAGES, stage_text

#: The options of every stage of a net; the syntax tree has none.
OF_A_NET = ("after", "precision", "set_", "network")
HELPS = {"ast": "the syntax tree", "ir": "the looped IR"}


def show(
    context: typer.Context,
    spec: options.Spec,
    stage: str = "ir",
    after: options.After = None,
    precision: options.Precision = "f32",
    set_: options.Set = None,
    network: options.NetworkName = None,
    **given: str | None,
) -> None:
    """Print one stage of the pipeline: the syntax tree, the looped IR, or a backend's form of the network."""
    chosen(stage, (*STAGES, *installed.stages()), "stage", "--stage")
    taken = () if stage in STAGES else installed.stages()[stage].options
    check_options(context, stage, taken)
    with reporting():
        passes = options.passes(after, precision)
        text = stage_text(spec, stage, network, set_ or [], passes, **values(given, taken))
        say_lines(text)


def command() -> Callable[..., None]:
    """The subcommand, with the stages of the backends that are installed and their options."""
    backends = {stage.name: stage.help for stage in installed.stages().values()}
    stage = choice("--stage", {**HELPS, **backends}, "Which stage to print:", "ir")
    return completed(show, {"stage": stage, **stage_options()})


def check_options(context: typer.Context, stage: str, taken: tuple[Option, ...]) -> None:
    """Ends the command as used wrongly where an option that was given says nothing of the stage."""
    said = {"spec", "stage", *(option.name for option in taken), *(OF_A_NET if stage != "ast" else ())}
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in said and source is not None and source.name == "COMMANDLINE":
            hint = f"'{option.opts[0]}'"
            raise typer.BadParameter(f"it says nothing of the stage {stage}", param_hint=hint)
