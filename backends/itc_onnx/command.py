"""`itc onnx`: an ONNX model of a spec and its weights. Nothing here imports onnx before a model is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, say
from itc.diagnostics import fail
from itc.driver import Network
from itc.files import writable


def onnx(
    spec: options.Spec,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.", show_default=False)],
    weights: Annotated[
        Path | None, typer.Option("--weights", help="A safetensors file with the spec's keys; else fresh weights.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of fresh weights.")] = 0,
    unroll: Annotated[bool, typer.Option("--unroll", help="Write every iteration out, without `Loop` nodes.")] = False,
    set_: options.Set = None,
    after: options.After = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Write a network as an ONNX model: loops stay loops, exits are outputs, the batch size is free."""
    options.check_passes(after)
    with reporting(as_json):
        found = options.network(spec, network, set_).after(*(after or []), *(["unroll"] if unroll else []))
        writable(output, (spec, weights) if weights else (spec,))
        figures = _written(found, output, weights, seed)
    if as_json:
        print_json(figures)
        return
    say(f"wrote {output} ({figures['nodes']} nodes, of which {figures['loops']} `Loop`, {figures['bytes']:,} bytes)")
    if weights is None:
        say(f"weights are random (seed {seed})")


def _written(network: Network, output: Path, weights: Path | None, seed: int) -> dict[str, Any]:
    """Writes the model; the figures of it. Raises CompileError (E0521) without the package onnx."""
    try:
        from itc_onnx.export import check, export, write
        from itc_onnx.graph import count_nodes
    except ImportError as error:
        help = "pip install 'itc-compiler[onnx]'"
        raise fail(
            "E0521", f"`itc onnx` needs the package onnx, which cannot be imported: {error}", help=help
        ) from None
    check(network.ir)
    model = export(network.ir, network.weights(weights, seed))
    return {
        "network": network.ir.name,
        "nodes": count_nodes(model.graph),
        "loops": count_nodes(model.graph, "Loop"),
        "bytes": write(output, model),
        "outputs": list(network.ir.labels),
    }
