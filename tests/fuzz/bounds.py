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
    before = signal.signal(signal.SIGVTALRM, _late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("more than the processor time that an input may take")


def address_space() -> int:
    """Bytes of address space that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
