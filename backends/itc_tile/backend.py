"""What the tile backend offers, under the entry point `tile`; all that computes is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from itc.backend import Backend, Machines, Option, Stage
from itc.ir.net import Net
from itc.ir.op import Array
from itc.passes import Transform
from itc.tables import Column, Table

Arrays = Mapping[str, Array]
DEFAULT = "gc200"


class TileMachines(Machines):
    """Machines of many tiles, given by a file each."""

    default = DEFAULT

    def names(self) -> Sequence[str]:
        from itc_tile.machine.model import presets

        return presets()

    def owns(self, machine: Any) -> bool:
        """Names, and machines that are loaded: a file shows whose it is only when it is read."""
        from itc_tile.machine.model import Machine

        return isinstance(machine, Machine) or super().owns(machine)

    def text(self, name: str) -> str:
        from itc_tile.machine.model import preset_text

        return preset_text(name)

    def json(self, name: str) -> dict[str, Any]:
        return self.load(name).model_dump(mode="json", by_alias=True)  # type: ignore[no-any-return]

    def table(self, names: Iterable[str]) -> Table:
        titles = ("name", "tiles", "memory a tile", "memory", "clock", "peak in f32", "network")
        columns = (Column(title, right=title not in ("name", "network")) for title in titles)
        return Table("machines", tuple(columns), tuple(_row(self.load(name)) for name in names))

    def load(self, machine: Any) -> Any:
        from itc_tile.machine.model import load_machine

        return load_machine(machine)

    def compile(
        self, net: Net, machine: Any, objective: Any = "throughput", mapping: Any = "spatial", batch: int = 1
    ) -> Any:
        from itc_tile.compiler import compile_net

        return compile_net(net, machine, objective, mapping, batch)

    def report(self, program: Any) -> Any:
        from itc_tile.report.report import report

        return report(program)

    def check_sizes(self, program: Any, batch: int = 1) -> None:
        from itc_tile.simulate.values import check_sizes

        check_sizes(program, batch)

    def simulate(self, program: Any, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        from itc_tile.simulate.values import simulate

        return simulate(program, inputs, weights)

    def validate(self, rows: Path, machine: Any) -> Any:
        from itc_tile.validate.report import validate

        return validate(rows, machine)


def text(
    net: Net, machine: str = DEFAULT, objective: str = "throughput", mapping: str = "spatial", batch: int = 1
) -> str:
    """The program of a net on a machine, given by its name or the path of its file."""
    from itc_tile.program.summary import summary

    machines = TileMachines()
    return summary(machines.compile(net, machines.load(machine), objective, mapping, batch))


def fuse() -> Transform:
    """The pass that groups operations into kernels."""
    from itc_tile.kernels.fusion import Fuse

    return Fuse()


def _row(machine: Any) -> tuple[str, ...]:
    peak = machine.tiles * machine.compute["f32"].peak * machine.clock if "f32" in machine.compute else 0
    return (
        machine.name,
        f"{machine.tiles:,}",
        f"{machine.tile.memory / 2**10:.0f} KiB",
        f"{machine.memory / 2**20:.0f} MiB",
        f"{machine.clock / 1e9:.3f} GHz",
        f"{peak / 1e12:.1f} TMAC/s" if peak else "-",
        machine.exchange.network,
    )


MACHINE = Option("machine", DEFAULT, "A machine by name (see `itc machines`) or a machine file.", short="-m")
OBJECTIVE = Option(
    "objective",
    "throughput",
    "Goal of the mapping: throughput of a stream, or the first or last output of one image (latency: the last).",
    choices=("throughput", "first", "last", "latency"),
)
MAPPING = Option(
    "mapping",
    "spatial",
    "Kernels on tiles of their own, one kernel at a time on all tiles, or the better of both.",
    choices=("spatial", "temporal", "auto"),
)
BATCH = Option("batch", 1, "Images that a temporal program takes at once.")

backend = Backend(
    "tile",
    stages=(Stage("tile", "the program for a machine of tiles", text, (MACHINE, OBJECTIVE, MAPPING, BATCH)),),
    passes={"fuse": fuse},
    machines=TileMachines(),
    priority=10,
)
