"""A bar for what takes longer than a second: on standard error, where that is a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from itc.cli.terminal import console

T = TypeVar("T")
PATIENCE = 1.0


def tracked(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """`items` as they come, with a bar from the second second on."""
    error = console(error=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=error, transient=True, disable=not error.is_terminal)
    task, begun = bar.add_task(what, total=total), time.monotonic()
    try:
        for done, item in enumerate(items, 1):
            if not bar.live.is_started and time.monotonic() - begun > PATIENCE:
                bar.start()
            bar.update(task, completed=done)
            yield item
    finally:
        bar.stop()
