"""`itc check`: everything that can be wrong with specs, without building anything from them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from itc.cli import options
from itc.cli.errors import report, reporting
from itc.cli.printing import hushed, print_json, say
from itc.diagnostics import CompileError, Diagnostic
from itc.driver import Spec, parse_settings, read
from itc.ir.net import Net
from itc.records import dataclass


@dataclass(frozen=True)
class Checked:
    """A file with the networks in it, and its documentation comments; or with what is wrong."""

    file: Path
    nets: tuple[Net, ...] = ()
    about: str = ""
    documentation: dict[str, str] | None = None
    faults: tuple[Diagnostic, ...] = ()

    def json(self) -> dict[str, Any]:
        """The keys of docs/json.md; for what is wrong the errors alone."""
        errors = [diagnostic.json() for diagnostic in self.faults]
        if errors:
            return {"errors": errors}
        names = [net.name for net in self.nets]
        return {"networks": names, "about": self.about, "documentation": self.documentation, "errors": errors}


def check(
    files: options.Specs,
    set_: options.Set = None,
    network: options.NetworkName = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Check every network of specs, or the one that is named or set, and say what is in it.

    The status is 1 where anything is wrong with one of them.
    """
    with reporting(as_json), hushed(quiet):
        settings = parse_settings(set_ or [])
        checked = [_checked(file, network, settings) for file in options.specs(files)]
        if not as_json:
            _show(checked)
        elif len(files) == 1 and not files[0].is_dir():
            print_json(checked[0].json())
        else:
            print_json({"files": [{"file": str(each.file), **each.json()} for each in checked]})
    sys.exit(1 if any(each.faults for each in checked) else 0)


def _checked(file: Path, network: str | None, settings: dict[str, Any]) -> Checked:
    try:
        spec = read(file, together=True)
        chosen = [network] if network or settings else spec.names or [None]
        return Checked(file, tuple(_nets(spec, chosen, settings)), *spec.documents())
    except CompileError as error:
        return Checked(file, faults=tuple(error.diagnostics))


def _nets(spec: Spec, chosen: Iterable[str | None], settings: dict[str, Any]) -> list[Net]:
    """The networks; raises CompileError with what is wrong in all of them, once where it is the same in several."""
    nets, faults = [], dict[Diagnostic, None]()
    for name in chosen:
        try:
            nets.append(spec.network(name, **settings).ir)
        except CompileError as error:
            faults.update(dict.fromkeys(error.diagnostics))
            if any(diagnostic.code == "E0391" for diagnostic in error.diagnostics):
                break
    if faults:
        raise CompileError(faults)
    return nets


def _show(checked: Iterable[Checked]) -> None:
    faults: list[Diagnostic] = []
    for each in checked:
        faults += each.faults
        for net in each.nets:
            outputs = ", ".join(f"{output.name} x {len(output.labels)}" for output in net.outputs)
            say(f"{each.file}: ", (net.name, "bold"), f": {len(net.params)} parameter tensors; outputs: {outputs}")
    if faults:
        report(faults)
