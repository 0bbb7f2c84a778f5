"""Options whose choices are what is installed: a command gets them when it is put together, not when it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from itc import installed
from itc.backend import Option
from itc.cli.terminal import unmarked


def completed(function: Callable[..., None], parameters: Mapping[str, tuple[object, object]]) -> Callable[..., None]:
    """`function` with these parameters, a default and an annotation each, for those of their names or `**options`."""

    @wraps(function)
    def command(*args: Any, **options: Any) -> None:
        function(*args, **options)

    known = dict(signature(function, eval_str=True).parameters)
    known = {name: each for name, each in known.items() if each.kind is not Parameter.VAR_KEYWORD}
    for name, (default, annotation) in parameters.items():
        known[name] = Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    order = (each.replace(kind=Parameter.KEYWORD_ONLY) for each in known.values())
    command.__signature__ = signature(function).replace(parameters=list(order))  # type: ignore[attr-defined]
    return command


def machine_option() -> tuple[str, object]:
    """`--machine`, with the default of what is installed."""
    help = "A machine by name (see `itc machines`) or a machine file."
    return installed.default_machine(), Annotated[str, typer.Option("--machine", "-m", help=help)]


def choice(flag: str, helps: Mapping[str, str], about: str, default: str) -> tuple[str, object]:
    """An option that is one of several words, each with what it stands for."""
    words = "; ".join(f"{name}, {help}" for name, help in helps.items())
    names = "|".join(helps) or "NAME"
    help = unmarked(f"{about} {words or 'nothing is installed for it'}.")
    return default, Annotated[str, typer.Option(flag, metavar=names, help=help)]


def chosen(text: str, known: Iterable[str], kind: str, flag: str) -> str:
    """The choice itself; ends the command as used wrongly where there is no such one."""
    names = list(known)
    if text in names:
        return text
    unusable = "".join(f"; {fault.diagnostics[0].message}" for fault in installed.faults())
    there_are = f"there are: {', '.join(names)}" if names else "there is none"
    raise typer.BadParameter(f"there is no {kind} {text[:100]}; {there_are}{unusable}", param_hint=f"'{flag}'")


def stage_options() -> dict[str, tuple[object, object]]:
    """The options of all stages by keyword, those of the same name in several stages once."""
    offered: dict[str, list[tuple[str, Option]]] = {}
    for stage in installed.stages().values():
        for option in stage.options:
            offered.setdefault(option.name, []).append((stage.name, option))
    shorts = {uses[0][1].short: name for name, uses in reversed(offered.items())}  # the first of those alike
    return {name: (None, _annotation(uses, shorts.get(uses[0][1].short) == name)) for name, uses in offered.items()}


def _annotation(uses: list[tuple[str, Option]], short: bool) -> object:
    """The option of one name as text: each stage reads it as its own."""
    _, option = uses[0]
    of_stages = ", ".join(f"{stage} ({_default(each)} unless given)" for stage, each in uses)
    choices = dict.fromkeys(text for _, each in uses for text in each.allowed)
    flags = (_flag(option), *([option.short] if short and option.short else []))
    help = unmarked(f"{option.help} For {of_stages}.")
    return Annotated[str | None, typer.Option(*flags, metavar="|".join(choices) or option.name.upper(), help=help)]


def _default(option: Option) -> str:
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)


def _flag(option: Option) -> str:
    return f"--{option.name.replace('_', '-')}"


def values(given: Mapping[str, str | None], options: Iterable[Option]) -> dict[str, Any]:
    """The options of a stage with their defaults; ends the command as used wrongly where a text is none of them."""
    return {option.name: _value(option, given.get(option.name)) for option in options}


def _value(option: Option, text: str | None) -> Any:
    try:
        return option.default if text is None else option.value(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{_flag(option)}'") from None
