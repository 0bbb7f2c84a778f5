"""The example networks: costs, compared with the reference figures of their specs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from itc.analysis.cost import Cost
from itc.diagnostics import CompileError, Diagnostic, fail
from itc.driver import Spec, names, read
from itc.figures import Compared
from itc.records import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of a spec with its costs, or with the `faults` of its compilation."""

    spec: Path
    network: str
    cost: Cost | None = None
    compared: tuple[Compared, ...] = ()
    faults: tuple[Diagnostic, ...] = ()

    @property
    def title(self) -> str:
        """The name of the network, or of the file if it cannot be parsed."""
        return self.network or self.spec.name

    @property
    def missed(self) -> tuple[Compared, ...]:
        """Counted figures that do not match."""
        return tuple(c for c in self.compared if c.figure.kind == "counted" and not c.met)

    @property
    def failed(self) -> bool:
        """Whether it does not compile or misses a counted figure; published figures are only displayed."""
        return bool(self.faults or self.missed)

    def json(self) -> dict[str, Any]:
        """The entry as JSON-ready values; the keys are stable."""
        return {
            "file": self.spec.name,
            "network": self.network,
            "cost": self.cost.json() if self.cost else None,
            "figures": [compared.json() for compared in self.compared],
            "failed": self.failed,
            "errors": [fault.json() for fault in self.faults],
        }


def folder() -> Path:
    """The folder of the examples: in the installed package, or next to it in the sources."""
    installed = Path(__file__).parent / "examples"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "examples"


def specs(names: Iterable[str] = ()) -> tuple[tuple[Path, str | None], ...]:
    """The requested specs, with the network if it is a single one: by file, folder, or name of an example or network.

    Without a request, all examples. Raises CompileError (E0601) for unknown names.
    """
    known = _in(folder())
    asked = [found for name in names for found in _named(name, known)]
    return tuple(dict.fromkeys(asked)) if names else tuple((path, None) for path in known)


def entries(spec: Path, network: str | None = None) -> Iterator[Entry]:
    """Measures the networks of a spec, or one of them."""
    try:
        checked = read(spec)
    except CompileError as error:
        yield Entry(spec, network or "", faults=error.diagnostics)
        return
    yield from (_entry(spec, checked, name) for name in checked.names if network in (None, name))


def _entry(path: Path, spec: Spec, name: str) -> Entry:
    try:
        network = spec.network(name)
    except CompileError as error:
        return Entry(path, name, faults=error.diagnostics)
    cost = network.cost()
    return Entry(path, name, cost, network.compared(cost))


def _in(path: Path) -> list[Path]:
    return sorted(spec for spec in path.glob("*.itn") if spec.is_file())


def _only_blocks(spec: Path) -> bool:
    """Whether a file has blocks only."""
    try:
        return not names(spec)
    except CompileError as error:
        return all(fault.code == "E0106" for fault in error.diagnostics)


def _named(name: str, known: list[Path]) -> list[tuple[Path, str | None]]:
    path = Path(name)
    if path.is_dir():
        return [(spec, None) for spec in _in_folder(path)]
    if path.suffix or path.exists():
        return [(path, None)]
    found: list[tuple[Path, str | None]] = [(spec, None) for spec in known if spec.stem == name]
    found = found or [(spec, name) for spec in known if name in names(spec)]
    if not found:
        raise fail("E0601", f"unknown file, example or network of an example `{name}`", help=_meant(name, known))
    return found


def _in_folder(path: Path) -> list[Path]:
    """The specs with networks in a folder. Raises CompileError (E0601) if there are none."""
    found = [spec for spec in _in(path) if not _only_blocks(spec)]
    if not found:
        raise fail("E0601", f"there is no spec with a network in {path}", help="a spec is an .itn file")
    return found


def _meant(name: str, known: list[Path]) -> str:
    alike = get_close_matches(name, dict.fromkeys(name for spec in known for name in (spec.stem, *names(spec))), 1)
    return f"did you mean `{alike[0]}`?" if alike else f"examples are: {', '.join(spec.stem for spec in known)}"
