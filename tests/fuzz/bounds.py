"""Bounds for any input: 1 GiB of memory, and 10 s of processor time; beyond them an exception is raised."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 10
BYTES = 1 << 30
LATE = "more than the processor time that an input may take"


@contextmanager
def at_most(size: int = BYTES, beside: int = 0) -> Iterator[None]:
    """Within, allocating more than `size` bytes of address space, `beside` others, raises MemoryError (on Linux)."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + beside, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """Within, more than `seconds` of this process's own time raise TimeoutError."""
    rung = []

    def late(number: int, frame: FrameType | None) -> None:
        rung.append(number)
        raise TimeoutError(LATE)

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    if rung:  # what raises anything for a broken file may have taken it for one
        raise TimeoutError(LATE)


def address_space() -> int:
    """Bytes of address space that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
