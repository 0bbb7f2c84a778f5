"""What the driver calls of this backend: found under the entry-point group `itc.backends`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from itc.ir.net import Net
from itc.ir.op import Array
from itc.passes import Transform
from itc_tile.compiler import compile_net
from itc_tile.kernels.fusion import Fuse
from itc_tile.machine.model import Machine, load_machine, preset_text, presets
from itc_tile.mapping.base import Objective
from itc_tile.program.program import Program
from itc_tile.program.summary import summary
from itc_tile.report.report import Report, report
from itc_tile.simulate.values import simulate

Arrays = Mapping[str, Array]


def machines() -> list[Machine]:
    """The machines that come with itc, in the order of their names."""
    return [load_machine(name) for name in presets()]


def text(net: Net, machine: str = "gc200", objective: Objective = "throughput") -> str:
    """The program of a net on a machine, given by its name or the path of its file."""
    return summary(compile_net(net, load_machine(machine), objective))


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend by its name, with what the driver asks of it."""

    name: str
    text: Callable[..., str]
    machines: Callable[[], list[Machine]]
    machine_text: Callable[[str], str]
    load_machine: Callable[[Any], Machine]
    compile: Callable[..., Program]
    report: Callable[[Program], Report]
    simulate: Callable[[Program, Arrays, Arrays], dict[str, Array]]
    passes: tuple[Transform, ...] = (Fuse(),)


backend = Backend("tile", text, machines, preset_text, load_machine, compile_net, report, simulate)
