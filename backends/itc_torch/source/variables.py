"""Which Python variable holds which value of the IR; one is taken again once nothing later reads what it holds."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from itc.ir import Statement
from itc.ir.uses import all_reads
from itc_torch.names import CONSTANTS, MODULE_NAMES

RESERVED = MODULE_NAMES | {"outputs", "self"}


@dataclass
class Frame:
    """A body that is being written: where each value is read last, where we are, and what a loop reads again.

    What a body that `hands_out` yields is needed no longer than its last line.
    """

    last: dict[str, int]
    again: frozenset[str] = frozenset()
    at: int = -1
    hands_out: bool = False

    def reads_later(self, value: str) -> bool:
        return self.last.get(value, -1) > self.at or value in self.again


class Variables:
    """Hands out variables; `of` gives the one that a value is in."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._of: dict[str, str] = {}
        self._holds: dict[str, str] = {}
        self._taken = {*RESERVED, *reserved}
        self._frames: list[Frame] = []

    def of(self, value: str) -> str:
        assert self._holds.get(self._of[value]) == value, f"%{value} was overwritten"
        return self._of[value]

    def knows(self, value: str) -> bool:
        return value in self._of

    @contextmanager
    def body(
        self, statements: Sequence[Statement], yields: Iterable[str], again: Iterable[str] = ()
    ) -> Iterator[Frame]:
        """The frame of a body; `again` are values that the next iteration reads once more."""
        last = {name: at for at, statement in enumerate(statements) for name in all_reads((statement,))}
        last |= {name: len(statements) for name in yields}
        self._frames.append(Frame(last, frozenset(name for name in again if name in self._of)))
        held = dict(self._holds)
        yield self._frames[-1]
        self._frames.pop()
        # What a branch has put over a variable matters behind it only by the results, which are bound there.
        self._holds = held

    def live(self, value: str) -> bool:
        """Whether anything behind this place reads the value."""
        return any(frame.reads_later(value) for frame in self._frames)

    def free(self, variable: str, read: Container[str] = ()) -> bool:
        """Whether nothing behind this place reads what the variable holds, and it is not among what is `read` here."""
        held = self._holds.get(variable)
        return held is None or not (self.live(held) or held in read)

    def bind(self, value: str, variable: str) -> str:
        """Assigns a value to a variable, replacing its content."""
        self._of[value] = variable
        self._holds[variable] = value
        self._taken.add(variable)
        return variable

    def taken(self, name: str) -> bool:
        """Whether a variable of this name is or was in use, or may not be."""
        return name in self._taken

    def fresh(self, hint: str) -> str:
        """A variable that was never used: `hint`, `hint_2`, ..."""
        hint = hint.lower() if hint.startswith(CONSTANTS) else hint
        name, number = hint, 1
        while name in self._taken:
            number += 1
            name = f"{hint}_{number}"
        self._taken.add(name)
        return name
