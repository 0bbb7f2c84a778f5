"""`itc check`: everything that can be wrong with a spec, without building anything from it."""

from __future__ import annotations

from rich.markup import escape

from itc.cli import options
from itc.cli.errors import reporting
from itc.driver import documents, names


def check(
    spec: options.Spec,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Check every network of a spec, or the one that is named or set, and say what is in it."""
    with reporting(as_json):
        chosen = [network] if network or set_ else names(spec)
        nets = [options.network(spec, name, set_).ir for name in chosen or [None]]
    if as_json:
        about, comments = documents(spec)
        found = {"networks": [net.name for net in nets], "about": about, "documentation": comments, "errors": []}
        options.print_json(found)
        return
    console = options.console()
    for net in nets:
        outputs = ", ".join(f"{output.name} x {len(output.labels)}" for output in net.outputs)
        console.print(
            f"{escape(str(spec))}: [bold]{net.name}[/]: {len(net.params)} parameter tensors; outputs: {outputs}",
            soft_wrap=True,
        )
