"""`itc weights`: the keys that a spec gives its weights, and checkpoints with other names brought under them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from itc import weights as checkpoints
from itc.checkpoints import Imported, import_weights, read_tensors
from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables, say
from itc.diagnostics import fail

app = typer.Typer(help="List the weights of a spec, or import a checkpoint with other names.", no_args_is_help=True)


@app.command("list")
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
def import_(
    file: Annotated[Path, typer.Argument(help="A safetensors or .npz file.", metavar="FILE", show_default=False)],
    spec: Annotated[Path, typer.Option("--spec", help="The spec, an .itn file.", metavar="SPEC", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The safetensors file to write.", show_default=False)],
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="THEIRS=OURS", help="Set a layer by hand, as often as needed."),
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Take what fits; the rest has fresh weights.")] = False,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Write a checkpoint for a network from one whose names are others', torchvision's for example.

    Layers are matched by order, shapes and the words in their names. Unless all have partners, nothing is written.
    """
    with reporting(as_json):
        net = options.network(spec, network, set_).ir
        found = import_weights(read_tensors(file), net, str(file), _pairs(pair or []), partial)
        checkpoints.save(output, found.weights)
    if as_json:
        print_json({"network": net.name, "output": str(output), **found.json()})
        return
    _show(found, f"{output}: {len(found.keys)} of {len(net.params)} tensors of {net.name} are from {file}")


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        theirs, equals, ours = text.partition("=")
        if not (theirs and equals and ours):
            raise fail("E0654", f"--pair is THEIRS=OURS, not {text}", help="for example: --pair fc=classify.linear")
        pairs[theirs] = ours
    return pairs


def _show(found: Imported, head: str) -> None:
    say(head)
    if found.ignored:
        say(f"ignored: {len(found.ignored)} x num_batches_tracked")
    if found.by_name:
        say(f"told apart by their names alone: parts of {', '.join(dict.fromkeys(found.by_name))}")
    for layer in found.missing:
        say(f"fresh, as the file has nothing for it: {layer}")
    for layer in found.unused:
        say(f"unused, as the network has no place for it: {layer}")
