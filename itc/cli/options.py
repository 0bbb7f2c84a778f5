"""Arguments and options of several subcommands, and the loading of their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from itc.cli.arguments import Argument, Option
from itc.driver import Network, find_pass, load, parse_settings
from itc.passes import Transform, WrongPass


def _passes() -> str:
    from itc.transforms import PASSES, PIPELINES  # noqa: PLC0415 -- for the help only

    return (
        "The network behind a pass or pipeline; again for more, in this order. Passes: "
        f"{', '.join(p.name for p in PASSES)}, and those of the backends. Pipelines: "
        f"{', '.join(p.name for p in PIPELINES)}. Options: 'unroll(factor=2)', 'peel(first=1, last=1)'."
    )


Spec = Annotated[Path, Argument("The spec, an .itn file, or `-` for standard input.", "SPEC")]
Specs = Annotated[list[Path], Argument("Specs, folders of them, or `-` for standard input.", "SPEC...")]
Set = Annotated[
    list[str] | None,
    Option(
        ("--set",),
        "Set a parameter (f=29) or an annotation (refine.share=none); again for more, the last of a name holds.",
        "NAME=VALUE",
    ),
]
NetworkName = Annotated[
    str | None, Option(("--network",), "Which network of the file; the first unless given.", "NAME")
]
Json = Annotated[bool, Option(("--json",), "Print JSON instead of tables; the keys are in docs/json.md.")]
Quiet = Annotated[bool, Option(("--quiet", "-q"), "Print errors only.")]
Precision = Annotated[
    str, Option(("--precision",), "Element type of the tensors: f32, as written, or f16 with sums in f32.", "f32|f16")
]
After = Annotated[list[str] | None, Option(("--after",), _passes, "PASS")]


def specs(files: Iterable[Path]) -> Iterator[Path]:
    """The files in order, of a folder its specs and those in folders below that are not hidden."""
    for file in files:
        if not file.is_dir():
            yield file
            continue
        found = (path for path in file.rglob("*.itn") if path.is_file())
        shown = sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(file).parts))
        yield from shown or [file]  # a folder without specs is read as a file, which is an error


def check_passes(names: list[str] | None) -> None:
    """Ends the command as used wrongly where there is no such pass."""
    try:
        for name in names or []:
            find_pass(name)
    except WrongPass as error:
        raise _wrong("--after", str(error)) from None


def passes(names: list[str] | None, precision: str) -> tuple[str | Transform, ...]:
    """The passes of `--after` and `--precision`; ends the command as used wrongly where there is no such one."""
    check_passes(names)
    return (*(names or ()), *quantization_to(precision))


def quantization_to(precision: str) -> tuple[Transform, ...]:
    """The passes of `--precision`; ends the command as used wrongly where there is no such precision."""
    if precision == "f32":
        return ()
    from itc.transforms.quantize import quantization  # noqa: PLC0415 -- for other precisions only

    try:
        return quantization(precision)
    except ValueError as error:
        raise _wrong("--precision", str(error)) from None


def _wrong(flag: str, message: str) -> Exception:
    import typer  # noqa: PLC0415 -- for what is wrong only

    return typer.BadParameter(message, param_hint=f"'{flag}'")


def network(spec: Path, name: str | None, settings: list[str] | None) -> Network:
    """The network that the shared arguments name."""
    return load(spec, name, **parse_settings(settings or []))
