"""The interface of backends: objects registered by name in the entry-point group `itc.backends`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from itc.diagnostics import fail
from itc.ir.net import Net
from itc.ir.op import Array

GROUP = "itc.backends"


@runtime_checkable
class Backend(Protocol):
    """The interface of all backends: the text of a net's stage."""

    name: str

    def text(self, net: Net, **options: Any) -> str:
        """The text of the backend's stage of `net`."""


@runtime_checkable
class TrainingBackend(Backend, Protocol):
    """A backend that creates trainable modules."""

    def lower(self, net: Net, form: str = "rolled") -> Any:
        """A module with the net's parameters by key; `form` is `rolled` or `unrolled`."""

    def emit(self, net: Net) -> str:
        """The source text of a module without dependence on itc."""

    def forward(self, net: Net, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by label for arrays [batch, ...], at inference."""


@runtime_checkable
class MachineBackend(Backend, Protocol):
    """A backend that maps nets onto machines."""

    def machines(self) -> Sequence[Any]:
        """The machine presets."""

    def machine_text(self, name: str) -> str:
        """The file of a machine preset."""

    def load_machine(self, name: Any) -> Any:
        """A machine by the name of a preset, by the path of its file, or loaded."""

    def compile(self, net: Net, machine: Any, objective: str = "throughput") -> Any:
        """A program; raises CompileError if the net does not fit."""

    def report(self, program: Any) -> Any:
        """Fit, cycles and bound of a program; has a method `json()`."""

    def simulate(self, program: Any, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by label, computed from the stores of the tiles."""


def backend_names() -> list[str]:
    """Names of the installed backends, even if their dependencies are missing."""
    return sorted(point.name for point in entry_points(group=GROUP))


def folders() -> list[Path]:
    """The folders of the packages with backends, without importing them."""
    modules = sorted({point.module.split(".")[0] for point in entry_points(group=GROUP)})
    specs = (find_spec(module) for module in modules)
    return [Path(spec.origin).parent for spec in specs if spec and spec.origin]


@lru_cache
def backend(name: str) -> Backend:
    """The backend `name`. Raises CompileError: E0520 if it is unknown, E0521 if a dependency is missing."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise fail("E0520", f"unknown backend `{name}`; installed: {', '.join(sorted(found)) or 'none'}")
    try:
        loaded = found[name].load()
    except ImportError as error:
        raise fail("E0521", f"the backend `{name}` cannot be loaded: {error}") from None
    assert isinstance(loaded, Backend), name
    return loaded
