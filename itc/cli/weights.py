"""`itc weights`: the keys that a spec gives its weights, and checkpoints with other names brought under them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from itc import checkpoints as imports
from itc import weights as checkpoints
from itc.checkpoints import Checked, Imported, import_weights
from itc.cli import options
from itc.cli.arguments import for_typer
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables, say
from itc.driver import parse_settings, read
from itc.files import writable
from itc.ir.net import Net

app = typer.Typer(help="List the weights of a spec, or import a checkpoint with other names.", no_args_is_help=True)


class Rope(StrEnum):
    """Which channels of a head rotary embeddings turn together: i and i + d / 2, or 2 i and 2 i + 1."""

    HALVES = "halves"
    INTERLEAVED = "interleaved"


@app.command("list")
@for_typer
def list_(
    spec: options.Spec,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """List the tensors of a checkpoint of a network, in text order: key, shape (sets first), role and how it starts."""
    with reporting(as_json):
        params = options.network(spec, network, set_).ir.params
    if as_json:
        rows = [{"key": p.key, "shape": list(p.shape), "role": p.role, "init": p.init} for p in params]
        print_json({"weights": rows})
        return
    table = Table(box=None)
    for column in ("key", "shape", "role", "init"):
        table.add_column(column, overflow="fold")
    for param in params:
        table.add_row(param.key, "x".join(map(str, param.shape)), param.role, param.init)
    print_tables(table)


@app.command("import")
@for_typer
def import_(
    file: Annotated[Path, typer.Argument(help="A safetensors or .npz file.", metavar="FILE", show_default=False)],
    spec: Annotated[Path, typer.Option("--spec", help="The spec, an .itn file.", metavar="SPEC", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The safetensors file to write.", show_default=False)],
    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair",
            metavar="THEIRS=OURS",
            help="Set a layer by hand, as often as needed; `*` on both sides stands for the same text, "
            "`norms.*=refine.norm[*]` takes layers as the sets of one.",
        ),
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Take what fits; the rest has fresh weights.")] = False,
    in_order: Annotated[
        bool, typer.Option("--in-order", help="Numbers in the file's names count in the order in which layers run.")
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            help="An .npz or safetensors file with inputs and the outputs for them, by name, to compare with.",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="The difference that --check allows, as a part of an output's largest value.", min=0)
    ] = imports.TOLERANCE,
    rope: Annotated[
        Rope, typer.Option(help="Which channels rotary embeddings turn together in the file: halves or neighbours.")
    ] = Rope.HALVES,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Write a checkpoint for a network from one whose names are others', torchvision's for example.

    Layers are matched by shapes, modules, words in names and the order of lists; docs/weights.md says how. Unless all
    have partners, and for each there is evidence, nothing is written.
    """
    with reporting(as_json):
        loaded = read(spec)
        writable(output, (file, *loaded.files, *([check] if check else [])))
        net = loaded.network(network, **parse_settings(set_ or [])).ir
        tensors = imports.read_tensors(file)
        interleaved = rope is Rope.INTERLEAVED
        found = import_weights(tensors, net, str(file), pair, partial, interleaved_rope=interleaved, in_order=in_order)
        checked = _checked(check, net, found, tolerance) if check else None
        checkpoints.save(output, found.weights)
    if as_json:
        report = (
            {"check": {"file": checked.name, "tolerance": tolerance, "outputs": checked.differences}} if checked else {}
        )
        print_json({"network": net.name, "output": str(output), **found.json(), **report})
        return
    count = len(found.sources or {})
    _show(found, f"{output}: {count} of {len(net.params)} tensors of {net.name} are from {file}")
    for label, value in (checked.differences if checked else {}).items():
        say(f"{label} is as in {check}: off by {value:.2g} of its largest value, {tolerance:g} is allowed")


def _checked(file: Path, net: Net, found: Imported, tolerance: float) -> Checked:
    values = imports.read_tensors(file)
    return imports.check(values, net, found.weights, str(file), tolerance)


def _show(found: Imported, head: str) -> None:
    say(head)
    for their, own, reasons in found.pairs:
        say(f"  {own.path} is {their.path}: {'; '.join(reasons)}")
    if found.ignored:
        say(f"ignored: {len(found.ignored)} x num_batches_tracked")
    if found.by_name:
        say(f"told apart by their names alone: parts of {', '.join(found.by_name)}")
    for layer in found.missing:
        say(f"fresh, as the file has nothing for it: {layer}")
    for layer in found.unused:
        say(f"unused, as the network has no place for it: {layer}")
