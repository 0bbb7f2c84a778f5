"""Arguments and options of a command as data: typer's are made of it, and plain arguments are read by it alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Annotated, Any, get_args, get_origin

from itc.records import dataclass

Command = Callable[..., None]


@dataclass(frozen=True)
class Argument:
    """What stands without a flag; a list takes all that is left."""

    help: str
    metavar: str


@dataclass(frozen=True)
class Option:
    """What stands behind one of its flags; a boolean is set by the flag alone. A help that takes time is a function."""

    flags: tuple[str, ...]
    help: str | Callable[[], str]
    metavar: str | None = None


def for_typer(function: Command) -> Command:
    """`function` with typer's arguments and options for those that are data."""
    import typer  # noqa: PLC0415 -- plain arguments are read without it

    def converted(annotation: Any) -> Any:
        match get_args(annotation):
            case (kind, Argument(help, metavar)):
                return Annotated[kind, typer.Argument(help=help, metavar=metavar, show_default=False)]
            case (kind, Option(flags, help, metavar)):
                text = help if isinstance(help, str) else help()
                return Annotated[kind, typer.Option(*flags, help=text, metavar=metavar)]
        return annotation

    @wraps(function)
    def command(*args: Any, **options: Any) -> None:
        function(*args, **options)

    known = inspect.signature(function, eval_str=True)
    parameters = [each.replace(annotation=converted(each.annotation)) for each in known.parameters.values()]
    command.__signature__ = known.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command


def read(function: Command, arguments: Sequence[str]) -> dict[str, Any] | None:
    """The parameters that plain arguments give, as typer would; none for what is not plain, which is left to typer."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    flags = {flag: each for each in parameters for flag in _flags(each)}
    values: dict[str, Any] = {each.name: each.default for each in parameters if each.default is not each.empty}
    texts: list[str] = []
    rest = iter(arguments)
    for text in rest:
        if not text.startswith("-") or text == "-":
            texts.append(text)
        elif not _read_option(text, rest, flags, values):
            return None
    return values if _read_texts(texts, [each for each in parameters if _declared(each, Argument)], values) else None


def _read_option(text: str, rest: Iterator[str], flags: dict[str, inspect.Parameter], values: dict[str, Any]) -> bool:
    flag, equals, value = text.partition("=")
    parameter = flags.get(flag)
    if parameter is None or (equals and not flag.startswith("--")):
        return False
    if _kind(parameter) is bool:
        values[parameter.name] = True
        return not equals
    value = value if equals else next(rest, "-")
    if value.startswith("-") and not equals:
        return False
    several = get_origin(_kind(parameter)) is list
    values[parameter.name] = [*(values[parameter.name] or ()), value] if several else _kind(parameter)(value)
    return True


def _read_texts(texts: list[str], arguments: list[inspect.Parameter], values: dict[str, Any]) -> bool:
    for parameter in arguments:
        several = get_origin(_kind(parameter)) is list
        if texts and several:
            (kind,) = get_args(_kind(parameter))
            values[parameter.name], texts = [kind(text) for text in texts], []
        elif texts:
            values[parameter.name], texts = _kind(parameter)(texts[0]), texts[1:]
    return not texts and all(parameter.name in values for parameter in arguments)


def _declared(parameter: inspect.Parameter, kind: type) -> Any:
    return next((each for each in get_args(parameter.annotation) if isinstance(each, kind)), None)


def _flags(parameter: inspect.Parameter) -> tuple[str, ...]:
    option = _declared(parameter, Option)
    return option.flags if option else ()


def _kind(parameter: inspect.Parameter) -> Any:
    """The type of a value: `list[str]` for `Annotated[list[str] | None, ...]`."""
    kind = get_args(parameter.annotation)[0]
    return next((each for each in get_args(kind) if each is not type(None)), kind) if _is_union(kind) else kind


def _is_union(kind: Any) -> bool:
    return type(None) in get_args(kind)
