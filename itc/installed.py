"""The backends and subcommands that are installed: entry points, loaded when they are needed, and found by capability.

Whatever is wrong with one of them is a diagnostic when it is asked for, and is in nobody's way before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from itc.backend import Backend, Machines, Modules, Stage, Target
from itc.diagnostics import CompileError, fail

BACKENDS, COMMANDS = "itc.backends", "itc.commands"
T = TypeVar("T")


def points(group: str) -> list[EntryPoint]:
    """The entry points of a group, in the order of their names."""
    return sorted(entry_points(group=group), key=lambda point: (point.name, distribution(point)))


def distribution(point: EntryPoint) -> str:
    """Name and version of the distribution that offers it."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def folders() -> list[Path]:
    """The folders of the packages that offer backends or commands; none is loaded for it."""
    modules = sorted({point.module.split(".")[0] for group in (BACKENDS, COMMANDS) for point in points(group)})
    specs = (find_spec(module) for module in modules)
    return [Path(spec.origin).parent for spec in specs if spec and spec.origin and spec.submodule_search_locations]


def command(point: EntryPoint) -> Any:
    """What a distribution offers as a subcommand. Raises CompileError: E0525 it cannot be loaded, E0526 two do."""
    others = [distribution(other) for other in points(COMMANDS) if other.name == point.name]
    if len(others) > 1:
        raise _several("command", point.name, others)
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise broken_command(point, error) from error


def broken_command(point: EntryPoint, error: object) -> CompileError:
    """E0525: a subcommand that is installed and cannot be run."""
    return fail("E0525", f"the command `{point.name}` of {distribution(point)} cannot be loaded: {_text(error)}")


def backends() -> list[Backend]:
    """Those that can be loaded, the highest priority first; what they require may be missing."""
    loaded = (found for found in map(_loaded, _names()) if isinstance(found, Backend))
    return sorted(loaded, key=lambda found: (-found.priority, found.name))


def faults() -> list[CompileError]:
    """What is wrong with the backends that cannot be loaded."""
    return [found for found in map(_loaded, _names()) if isinstance(found, CompileError)]


def backend(name: str) -> Backend:
    """The backend `name`, ready for use. Raises CompileError.

    E0520: there is none, E0521: what it needs is not installed, E0524: it fails, E0526: there are two.
    """
    if name not in _names():
        raise fail("E0520", f"there is no backend `{name}`; there are: {_listed(_names())}")
    found = _loaded(name)
    if isinstance(found, CompileError):
        raise found
    return require(found)


def require(found: Backend) -> Backend:
    """The backend itself, behind the import of all that it requires. Raises CompileError (E0521)."""
    for module in found.requires:
        try:
            import_module(module)
        except (ImportError, OSError) as error:
            message = f"the backend `{found.name}` needs {module}, which cannot be imported: {error}"
            help = f"pip install '{found.install}'" if found.install else ""
            raise fail("E0521", message, help=help) from None
    return found


def stages() -> dict[str, Stage]:
    """The stages of the backends by name, whether or not they can be shown."""
    return {stage.name: stage for found in backends() for stage in found.stages}


def targets() -> dict[str, Target]:
    """The emit targets by name, the default one first, whether or not they can be emitted."""
    return {target.name: target for found in backends() for target in found.targets}


def stage(name: str) -> Stage:
    """A stage, ready for use. Raises CompileError as `backend` does."""
    return _only("stage", name, ((found, stage) for found in backends() for stage in found.stages), stages())


def target(name: str) -> Target:
    """An emit target, ready for use. Raises CompileError as `backend` does."""
    return _only("emit target", name, ((found, target) for found in backends() for target in found.targets), targets())


def machines(machine: Any = None) -> Machines:
    """Those of the backend that owns a machine, or else the first. Raises CompileError as `backend` does."""
    owners = [found for found in backends() if found.machines]
    own = (found for found in owners if found.machines and machine is not None and found.machines.owns(machine))
    chosen = next(own, None) if len(owners) > 1 else None
    found = require(chosen or _first(owners, "machines"))
    assert found.machines
    return found.machines


def all_machines() -> list[Machines]:
    """Those of every backend that has machines and what it requires; raises CompileError where there are none."""
    owners = [found for found in backends() if found.machines]
    _first(owners, "machines")
    return [require(found).machines for found in owners if found.machines]  # type: ignore[misc]


def default_machine() -> str:
    """The name of the machine that is taken where none is named; nothing without a backend that has one."""
    return next((found.machines.default for found in backends() if found.machines), "")


def modules() -> tuple[str, Modules]:
    """The first modules and the name of their backend. Raises CompileError as `backend` does."""
    found = require(_first([found for found in backends() if found.modules], "modules"))
    assert found.modules
    return found.name, found.modules


def _only(kind: str, name: str, offered: Iterable[tuple[Backend, T]], known: Iterable[str]) -> T:
    """What one backend alone offers under a name."""
    found = [(owner, each) for owner, each in offered if getattr(each, "name", "") == name]
    if not found:
        raise fail("E0520", f"no backend has the {kind} `{name}`; there are: {_listed(known)}", help=_broken_text())
    if len(found) > 1:
        raise _several(kind, name, (f"the backend {owner.name}" for owner, _ in found))
    owner, each = found[0]
    require(owner)
    return each


def _first(found: Sequence[Backend], capability: str) -> Backend:
    if not found:
        raise fail("E0520", f"no backend that is installed has {capability}", help=_broken_text())
    return found[0]


def _broken_text() -> str:
    return "\n".join(error.diagnostics[0].message for error in faults())


def _several(kind: str, name: str, owners: Iterable[str]) -> CompileError:
    message = f"the {kind} `{name}` is offered more than once: by {' and '.join(owners)}"
    return fail("E0526", message, help="uninstall all but one")


def _names() -> list[str]:
    return sorted({point.name for point in points(BACKENDS)})


def forget() -> None:
    """Backends are loaded anew from here on, for a path of imports that has changed."""
    _loaded.cache_clear()


@lru_cache
def _loaded(name: str) -> Backend | CompileError:
    """The record under a name, or what is wrong with it."""
    offered = [point for point in points(BACKENDS) if point.name == name]
    if len(offered) > 1:
        return _several("backend", name, map(distribution, offered))
    try:
        found = offered[0].load()
    except ImportError as error:
        return fail("E0521", f"the backend `{name}` cannot be loaded: {error}")
    except (Exception, SystemExit) as error:
        return _unusable(offered[0], _text(error))
    if not isinstance(found, Backend):
        return _unusable(offered[0], f"it is of the type {type(found).__name__}, not itc.backend.Backend")
    if found.name != name:
        return _unusable(offered[0], f"its own name is `{found.name}`")
    return found


def _unusable(point: EntryPoint, reason: str) -> CompileError:
    return fail("E0524", f"the backend `{point.name}` of {distribution(point)} cannot be used: {reason}")


def _text(error: object) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
