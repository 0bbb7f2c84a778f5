"""`itc check`: everything that can be wrong with a spec, without building anything from it."""

from __future__ import annotations

from rich.console import Console

from itc.cli import options
from itc.cli.errors import reporting


def check(
    spec: options.Spec,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Check a spec and say what is in it."""
    with reporting(as_json):
        net = options.network(spec, network, set_).ir
    if as_json:
        options.print_json({"network": net.name, "errors": []})
        return
    outputs = ", ".join(f"{output.name} x {len(output.labels)}" for output in net.outputs)
    Console(highlight=False).print(
        f"{spec}: network [bold]{net.name}[/], {len(net.params)} parameter tensors, outputs {outputs}"
    )
