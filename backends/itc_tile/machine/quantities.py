"""Numbers with a unit, as a machine file writes them (`624 KiB`, `1.325 GHz`): text in, base unit out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

NUMBER = re.compile(r"(?P<number>[+-]?[0-9]+(\.[0-9]+)?)\s*(?P<unit>[^\s0-9.].*)?", re.ASCII)
MOST_DIGITS = 18


def fault(type: str, message: str, replacement: str = "") -> PydanticCustomError:
    """A fault that pydantic collects; `replacement` is the text that would mend the value, empty if nobody can know."""
    kind: Any = type  # pydantic wants literal strings, which ours are
    return PydanticCustomError(kind, "{message}", {"message": message, "replacement": replacement})


@dataclass(frozen=True)
class Kind:
    """A physical quantity: its units as multiples of the base unit, the usual one first, and what is in range."""

    what: str
    units: Mapping[str, int]
    least: int = 0
    most: int = 1 << 40
    whole: bool = True

    def parse(self, given: Any) -> int | float:
        """The number in the base unit; a Python number is taken as it is. Raises what `fault` makes."""
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return self.checked(Fraction(given), str(given))
        match = NUMBER.fullmatch(given.strip()) if isinstance(given, str) else None
        if match is None:
            raise self.fault(f"expected {self.what}", self.example())
        number, unit = match["number"], (match["unit"] or "").strip()
        if len(number) > MOST_DIGITS:
            near = self.least if number.startswith("-") else self.most
            raise self.fault(f"a number of {len(number)} digits is not {self.bounds()}", self.text(near), "range")
        if unit not in self.units:
            raise self.wrong_unit(number, unit)
        return self.checked(Fraction(number) * self.units[unit], given.strip())

    def checked(self, value: Fraction, given: str) -> int | float:
        if not self.least <= value <= self.most:
            near = self.least if value < self.least else self.most
            raise self.fault(f"{given} is not {self.bounds()}", self.text(near), "range")
        if self.whole and value.denominator != 1:
            number = f"a whole number of {self.base()}" if self.base() else "a whole number"
            raise self.fault(f"{given} is not {number}", self.text(max(self.least, round(value))))
        return int(value) if self.whole else float(value)

    def wrong_unit(self, number: str, unit: str) -> PydanticCustomError:
        usual = next(iter(self.units))
        if not unit:
            return self.fault(f"{number} has no unit: expected {self.what}", f"{number} {usual}")
        if not usual:
            return self.fault(f"{self.what} has no unit", number)
        meant = next((known for known in self.units if _plain(known) == _plain(unit)), None)
        replacement = f"{number} {meant}" if meant else ""
        return self.fault(f"`{unit[:20]}` is no unit here: expected {self.what}", replacement)

    def fault(self, message: str, replacement: str, type: str = "quantity") -> PydanticCustomError:
        return fault(type, message, replacement)

    def base(self) -> str:
        return next((unit for unit, factor in self.units.items() if factor == 1), "")

    def text(self, value: int) -> str:
        return f"{value} {self.base()}".strip()

    def bounds(self) -> str:
        return f"between {self.text(self.least)} and {self.text(self.most)}"

    def example(self) -> str:
        return f"{max(self.least, 1)} {next(iter(self.units))}".strip()


def _plain(unit: str) -> str:
    """A unit without the differences that people get wrong: case, the `i` of KiB, the plural."""
    return unit.lower().replace("i", "").rstrip("s")


COUNT = Kind("a whole number", {"": 1}, least=1, most=1 << 20)
SIZE_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "B": 1}
MEMORY = Kind("a size such as `624 KiB`", SIZE_UNITS, least=1)
BYTES = Kind("a size such as `16 B`", SIZE_UNITS)
CLOCK = Kind(
    "a frequency such as `1.325 GHz`", {"GHz": 10**9, "MHz": 10**6, "kHz": 10**3, "Hz": 1}, least=1, most=10**12
)
BYTE_RATE = Kind("a rate such as `4 B/cycle`", {"B/cycle": 1}, least=1, most=1 << 20)
MAC_RATE = Kind("a rate such as `16 MAC/cycle`", {"MAC/cycle": 1}, least=1, most=1 << 20)
CYCLES = Kind("a time such as `150 cycles`", {"cycles": 1, "cycle": 1}, most=10**9)
PART_CYCLES = Kind("a time such as `1.5 cycles`", {"cycles": 1, "cycle": 1}, most=10**6, whole=False)
THROUGHPUT = Kind(
    "a rate such as `20 GB/s`", {"GB/s": 10**9, "MB/s": 10**6, "TB/s": 10**12, "B/s": 1}, least=1, most=10**18
)
FACTOR = Kind("a number such as `1.09`", {"": 1}, most=1000, whole=False)
SHARE = Kind("a number between 0 and 1", {"": 1}, most=1, whole=False)

Count = Annotated[int, BeforeValidator(COUNT.parse)]
Memory = Annotated[int, BeforeValidator(MEMORY.parse)]
Bytes = Annotated[int, BeforeValidator(BYTES.parse)]
Clock = Annotated[int, BeforeValidator(CLOCK.parse)]
ByteRate = Annotated[int, BeforeValidator(BYTE_RATE.parse)]
MacRate = Annotated[int, BeforeValidator(MAC_RATE.parse)]
Cycles = Annotated[int, BeforeValidator(CYCLES.parse)]
PartCycles = Annotated[float, BeforeValidator(PART_CYCLES.parse)]
Throughput = Annotated[int, BeforeValidator(THROUGHPUT.parse)]
Factor = Annotated[float, BeforeValidator(FACTOR.parse)]
Share = Annotated[float, BeforeValidator(SHARE.parse)]


def _switch(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if given not in ("yes", "no"):
        meant = {"true": "yes", "on": "yes", "false": "no", "off": "no"}.get(str(given).lower(), "")
        raise fault("quantity", "expected `yes` or `no`", meant)
    return bool(given == "yes")


def _grid(given: Any) -> tuple[int, int]:
    if isinstance(given, tuple):
        return given
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*x\s*([0-9]{1,6})\s*", given, re.ASCII) if isinstance(given, str) else None
    if match is None:
        raise fault("quantity", "expected rows x columns, such as `16 x 32`")
    return int(match[1]), int(match[2])


Switch = Annotated[bool, BeforeValidator(_switch)]
Grid = Annotated[tuple[int, int], BeforeValidator(_grid)]
