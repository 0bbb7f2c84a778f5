"""Machine files: a YAML text goes in, a checked `Machine` comes out; every fault is a diagnostic at its line.

All times are cycles, sizes bytes, rates per cycle of one tile (or link), the clock Hz. The `description` of a field is
what a machine file means by it.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from itc.diagnostics import CompileError, Diagnostic, fail
from itc.files import opened
from itc.source import Source
from itc_tile.machine.document import MOST_CHARACTERS, read_document
from itc_tile.machine.faults import diagnostics
from itc_tile.machine.quantities import (
    ByteRate,
    Bytes,
    Clock,
    Count,
    Cycles,
    Grid,
    MacRate,
    Memory,
    PartCycles,
    Switch,
    Throughput,
    fault,
)
from itc_tile.machine.section import Section
from itc_tile.machine.supersteps import Supersteps

PRESETS = Path(__file__).parent / "presets"


class Tile(Section):
    """What each tile has."""

    memory: Memory = Field(description="SRAM of a tile", examples=["624 KiB"])
    load: ByteRate = Field(description="bytes that a tile reads from its SRAM in a cycle", examples=["16 B/cycle"])
    store: ByteRate = Field(description="bytes that a tile writes to its SRAM in a cycle", examples=["8 B/cycle"])
    workers: Count = Field(description="threads among which a tile divides an operation", examples=["6"])


class Matrix(Section):
    """The unit for products of matrices: holds `inputs` x `outputs` weights, streams the map past them."""

    rate: MacRate = Field(description="multiply-accumulates in a cycle at most", examples=["16 MAC/cycle"])
    inputs: Count = Field(description="input channels summed in one pass", examples=["8"])
    outputs: Count = Field(description="output channels made in one pass", examples=["16"])
    setup: Cycles = Field(
        description="what a pass costs beside streaming: loading weights, starting", examples=["220 cycles"]
    )
    call: Cycles = Field(description="what an operation costs beside its passes", examples=["270 cycles"])


class Vector(Section):
    """The unit for everything else; times are for one instruction of `width` elements."""

    width: Count = Field(description="elements an instruction takes", examples=["2"])
    call: Cycles = Field(description="what an operation costs beside its elements", examples=["360 cycles"])
    access: PartCycles = Field(description="loading operands and storing results", examples=["2 cycles"])
    multiply_add: PartCycles = Field(description="one tap of a convolution, loads included", examples=["1.5 cycles"])
    special: PartCycles = Field(description="exponential, sigmoid, tanh, division", examples=["5 cycles"])
    window: PartCycles = Field(description="one place of a pool's window, loads included", examples=["3 cycles"])
    row: Cycles = Field(description="what a row of a pool's result costs beside its elements", examples=["30 cycles"])


class Compute(Section):
    """The units of a tile for one type of elements; without a matrix unit the vector unit does it all."""

    vector: Vector
    matrix: Matrix | None = None

    @property
    def peak(self) -> float:
        """Multiply-accumulates in a cycle at most."""
        vector = self.vector.width / self.vector.multiply_add if self.vector.multiply_add else self.vector.width
        return max(vector, self.matrix.rate if self.matrix else 0)


class Exchange(Section):
    """How tiles are connected. A port or link carries `bandwidth` each way."""

    network: Literal["all-to-all", "mesh", "torus"] = Field(
        description="every tile to every tile, or links between neighbours on a grid", examples=["all-to-all"]
    )
    bandwidth: ByteRate = Field(
        description="bytes that a tile's port, or a link, carries in a cycle", examples=["4 B/cycle"]
    )
    latency: Cycles = Field(description="from the first byte sent to the first byte there", examples=["40 cycles"])
    hop: Cycles = Field(0, description="what each link on the way adds to the latency", examples=["1 cycles"])
    sync: Cycles = Field(description="agreeing that an exchange may start", examples=["150 cycles"])
    multicast: Switch = Field(description="whether one sending reaches several tiles", examples=["yes"])


class Code(Section):
    """Estimate of the program in a tile's memory."""

    base: Bytes = Field(description="what every tile needs", examples=["4 KiB"])
    operation: Bytes = Field(description="for each kind of operation that a tile runs", examples=["2 KiB"])
    copy_: Bytes = Field(alias="copy", description="for each row of its exchanges", examples=["16 B"])


class OffChip(Section):
    """Memory beside the chip, such as DRAM."""

    size: Bytes = Field(0, description="bytes of the off-chip memory; 0 where it is not known", examples=["12 GiB"])
    bandwidth: Throughput = Field(description="bytes read or written in a second", examples=["20 GB/s"])


class Host(Section):
    """The link to the computer that feeds the machine."""

    bandwidth: Throughput = Field(description="bytes in a second, each way", examples=["32 GB/s"])


class Machine(Section):
    """A machine of equal tiles."""

    name: str = Field(min_length=1, max_length=80, description="how the machine is called", examples=["my-machine"])
    about: str = Field("", max_length=2000, description="what it is, and how far the figures can be trusted")
    tiles: Count = Field(description="number of tiles", examples=["1472"])
    grid: Grid | None = Field(None, description="rows x columns of the tiles", examples=["16 x 32"])
    clock: Clock = Field(description="cycles in a second", examples=["1.325 GHz"])
    tile: Tile
    compute: dict[Literal["f32", "f16", "i8"], Compute] = Field(
        description="units for each type of elements", min_length=1
    )
    exchange: Exchange
    code: Code
    off_chip: OffChip | None = None
    host: Host | None = None
    supersteps: Supersteps | None = None

    @model_validator(mode="after")
    def _grid_fits(self) -> Self:
        if self.exchange.network != "all-to-all" and self.grid is None:
            raise fault("grid", "a mesh or torus needs a `grid` of rows x columns")
        if self.grid is not None and self.grid[0] * self.grid[1] != self.tiles:
            rows, columns = self.grid
            message = f"a grid of {rows} x {columns} has {rows * columns} tiles, not {self.tiles}"
            raise fault("grid", message, str(rows * columns))
        return self

    @property
    def memory(self) -> int:
        """Bytes of all tiles."""
        return self.tiles * self.tile.memory

    @property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates of 32-bit numbers in a cycle, all tiles at once; 0 without units for them."""
        units = self.compute.get("f32")
        return self.tiles * int(units.peak) if units else 0

    def json(self) -> dict[str, Any]:  # type: ignore[override]
        """What a table of machines shows; the keys are stable."""
        return {
            "name": self.name,
            "about": self.about,
            "tiles": self.tiles,
            "tile_bytes": self.tile.memory,
            "clock_hz": self.clock,
            "peak_macs_per_cycle": self.peak_macs_per_cycle,
            "exchange": self.exchange.network,
        }

    def seconds(self, cycles: int) -> float:
        return cycles / self.clock


def presets() -> tuple[str, ...]:
    """Names of the machines that ship with the package, in order."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def preset_text(name: str) -> str:
    """The file of a preset, comments and sources included. Raises CompileError (E0501) for a name that is none."""
    if name not in presets():
        near = get_close_matches(name, presets(), 1)
        help = f"did you mean `{near[0]}`?" if near else f"the presets are {', '.join(presets())}"
        raise fail("E0501", f"there is no machine {name}", help=help)
    return (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def load_machine(name_or_path: str | Path | Machine) -> Machine:
    """A preset by its name, or the machine of a file (a path ends in .yaml or .yml, or has a folder in it).

    A machine that is loaded is returned as it is. Raises CompileError: E0501 no such machine, E0502 not YAML, E0503
    wrong form, E0504 unknown key, E0505 missing key, E0506 wrong value, E0507 out of range, E0508 values that
    contradict each other, E0604 a pipe or a device.
    """
    if isinstance(name_or_path, Machine):
        return name_or_path
    if not isinstance(name_or_path, str | Path):
        help = f"the presets are {', '.join(presets())}"
        message = f"a machine is a name, the path of a file, or one that is loaded, not {name_or_path!r:.60}"
        raise fail("E0501", message, help=help)
    text = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text or "\\" in text
    if not is_path:
        return _preset(text)
    return parse_machine(Source(text, _read(Path(text))))


@cache
def _preset(name: str) -> Machine:
    return parse_machine(Source(f"{name}.yaml", preset_text(name)))


def _read(path: Path) -> str:
    try:
        with opened(path) as file:
            data = file.read(4 * MOST_CHARACTERS + 1)
    except OSError as error:
        raise fail("E0501", f"cannot read {path}: {error.strerror}", help=f"presets: {', '.join(presets())}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) - error.start < 4 and len(data) > MOST_CHARACTERS:  # cut in the middle of a character
            return data[: error.start].decode("utf-8")
        raise fail("E0502", f"{path} is not a text: byte {error.start} is not UTF-8") from None


def parse_machine(source: Source) -> Machine:
    """The machine in a text; raises CompileError with all that is wrong in it."""
    document = read_document(source)
    try:
        return Machine.model_validate(document.value)
    except ValidationError as error:
        found: list[Diagnostic] = diagnostics(error, document, Machine)
        raise CompileError(found) from None
