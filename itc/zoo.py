"""The example networks that come with itc: what each costs, beside the figures that its spec gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from itc.analysis.cost import Cost
from itc.diagnostics import CompileError, Diagnostic, fail
from itc.driver import Spec, names, read
from itc.figures import Compared


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of a spec and what it costs; or, with `faults` and no cost, why it costs nothing."""

    spec: Path
    network: str
    cost: Cost | None = None
    compared: tuple[Compared, ...] = ()
    faults: tuple[Diagnostic, ...] = ()

    @property
    def title(self) -> str:
        """The network, or the file where its networks cannot be told."""
        return self.network or self.spec.name

    @property
    def missed(self) -> tuple[Compared, ...]:
        """Figures that were counted from the same layers, and are not met."""
        return tuple(c for c in self.compared if c.figure.kind == "counted" and not c.met)

    @property
    def failed(self) -> bool:
        """Whether it does not compile, or misses a counted figure; how far it is off published ones is but shown."""
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
    """Where the examples are: in the package as it is installed, beside it in the sources."""
    installed = Path(__file__).parent / "examples"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "examples"


def specs(names: Iterable[str] = ()) -> tuple[tuple[Path, str | None], ...]:
    """Specs that are asked for, with the network where it is but one: by file, folder, name of an example or network.

    All examples if nothing is asked for. Raises CompileError (E0601) for what is none of these.
    """
    known = _in(folder())
    asked = [found for name in names for found in _named(name, known)]
    return tuple(dict.fromkeys(asked)) if names else tuple((path, None) for path in known)


def entries(spec: Path, network: str | None = None) -> Iterator[Entry]:
    """The networks of a spec, or one of them, one after the other."""
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
    """Whether a file has no networks, but blocks for others to import."""
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
        raise fail("E0601", f"there is no file, example or example's network `{name}`", help=_meant(name, known))
    return found


def _in_folder(path: Path) -> list[Path]:
    """The specs of a folder that have networks. Raises CompileError (E0601) where there are none."""
    found = [spec for spec in _in(path) if not _only_blocks(spec)]
    if not found:
        raise fail("E0601", f"there is no spec with a network in {path}", help="a spec is an .itn file")
    return found


def _meant(name: str, known: list[Path]) -> str:
    alike = get_close_matches(name, dict.fromkeys(name for spec in known for name in (spec.stem, *names(spec))), 1)
    return f"did you mean `{alike[0]}`?" if alike else f"examples are: {', '.join(spec.stem for spec in known)}"
