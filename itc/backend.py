"""What a backend is to the rest of itc: an object behind the entry-point group `itc.backends`, found by name."""

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
    """What every backend can do: show its form of a net as text."""

    name: str

    def text(self, net: Net, **options: Any) -> str:
        """The backend's own stage of `net`, for people."""


@runtime_checkable
class TrainingBackend(Backend, Protocol):
    """A backend that makes trainable modules."""

    def lower(self, net: Net, form: str = "rolled") -> Any:
        """A module with the net's parameters under their keys; `form` is `rolled` or `unrolled`."""

    def emit(self, net: Net) -> str:
        """Source text of a module that does not need itc."""

    def forward(self, net: Net, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by label for arrays [batch, ...], at inference."""


@runtime_checkable
class MachineBackend(Backend, Protocol):
    """A backend that maps nets onto machines."""

    def machines(self) -> Sequence[Any]:
        """The machines that come with it."""

    def machine_text(self, name: str) -> str:
        """The file of a machine that comes with it."""

    def load_machine(self, name: Any) -> Any:
        """A machine by its name or the path of its file; one that is loaded as it is."""

    def compile(self, net: Net, machine: Any, objective: str = "throughput") -> Any:
        """A program; raises CompileError where the net does not fit."""

    def report(self, program: Any) -> Any:
        """Fit, cycles and bound of a program; has a method `json()`."""

    def simulate(self, program: Any, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by label, computed from the stores of the tiles."""


def backend_names() -> list[str]:
    """Names of the backends that are installed, whether or not what they need is."""
    return sorted(point.name for point in entry_points(group=GROUP))


def folders() -> list[Path]:
    """The folders of the packages that offer backends; none is loaded for it."""
    modules = sorted({point.module.split(".")[0] for point in entry_points(group=GROUP)})
    specs = (find_spec(module) for module in modules)
    return [Path(spec.origin).parent for spec in specs if spec and spec.origin]


@lru_cache
def backend(name: str) -> Backend:
    """The backend `name`. Raises CompileError: E0520 there is none, E0521 what it needs is not installed."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise fail("E0520", f"there is no backend `{name}`; there are: {', '.join(sorted(found)) or 'none'}")
    try:
        loaded = found[name].load()
    except ImportError as error:
        raise fail("E0521", f"the backend `{name}` cannot be loaded: {error}") from None
    assert isinstance(loaded, Backend), name
    return loaded
