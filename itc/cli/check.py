"""`itc check`: everything that can be wrong with a spec, without building anything from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from itc.cli import options
from itc.cli.errors import reporting
from itc.cli.printing import print_json, say
from itc.diagnostics import CompileError, Diagnostic
from itc.driver import Spec, parse_settings, read
from itc.ir.net import Net


def check(
    spec: options.Spec,
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Check every network of a spec, or the one that is named or set, and say what is in it."""
    with reporting(as_json):
        read_spec = read(spec, together=True)
        chosen = [network] if network or set_ else read_spec.names or [None]
        nets = _nets(read_spec, chosen, set_)
    if as_json:
        about, comments = read_spec.documents()
        found = {"networks": [net.name for net in nets], "about": about, "documentation": comments, "errors": []}
        print_json(found)
        return
    _show(spec, nets)


def _nets(spec: Spec, chosen: Iterable[str | None], settings: list[str] | None) -> list[Net]:
    """The networks; raises CompileError with what is wrong in all of them, once where it is the same in several."""
    nets, faults = [], dict[Diagnostic, None]()
    for name in chosen:
        try:
            nets.append(spec.network(name, **parse_settings(settings or [])).ir)
        except CompileError as error:
            faults.update(dict.fromkeys(error.diagnostics))
            if any(diagnostic.code == "E0391" for diagnostic in error.diagnostics):
                break
    if faults:
        raise CompileError(faults)
    return nets


def _show(spec: Path, nets: Iterable[Net]) -> None:
    for net in nets:
        outputs = ", ".join(f"{output.name} x {len(output.labels)}" for output in net.outputs)
        say(f"{spec}: ", (net.name, "bold"), f": {len(net.params)} parameter tensors; outputs: {outputs}")
