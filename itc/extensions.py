"""Operations of other distributions: modules under an entry-point group that register what they bring when loaded."""

from __future__ import annotations

from functools import cache

from itc.diagnostics import fail

#: Declares operations of the IR and layers of the language; each backend has a group of its own.
OPERATIONS = "itc.operations"


@cache
def load_extensions(group: str) -> None:
    """Loads the modules of a group, once in a process. Raises CompileError (E0521) for one that cannot be imported."""
    from importlib.metadata import entry_points  # noqa: PLC0415 -- reads mail headers, which takes a tenth of a start

    for point in entry_points(group=group):
        try:
            point.load()
        except ImportError as error:
            raise fail("E0521", f"`{point.value}` of the entry points `{group}` cannot be loaded: {error}") from None
