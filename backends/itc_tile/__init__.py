"""The tile backend: nets mapped onto machines of many tiles, as rolled programs with values, times and memory.

The usual call:

    machine = load_machine("gc200")
    program = compile_net(net, machine)
    outputs = simulate(program, inputs, weights)
    cycles = report(program).stream.period_cycles

All but the record of what the backend offers is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from itc_tile.backend import backend

if TYPE_CHECKING:
    from itc_tile.compiler import compile_net
    from itc_tile.cost.bound import Bound, lower_bound
    from itc_tile.cost.cycles import INSTRUCTIONS, SPECIAL, WORK
    from itc_tile.kernels.fusion import fuse
    from itc_tile.kernels.kernel import Kernel
    from itc_tile.machine.model import Machine, load_machine, parse_machine, preset_text, presets
    from itc_tile.mapping.spatial.planner import Objective
    from itc_tile.ops.access import ACCESS
    from itc_tile.program.printer import print_program
    from itc_tile.program.program import Placement, Program, build_program
    from itc_tile.report.report import Report, report
    from itc_tile.simulate.values import TileReadError, simulate
    from itc_tile.tiling.partition import Split
    from itc_tile.timing.timing import Timing, time_program

#: The module of each name.
_HOME = {
    "ACCESS": "ops.access", "Bound": "cost.bound", "INSTRUCTIONS": "cost.cycles", "Kernel": "kernels.kernel",
    "Machine": "machine.model", "Objective": "mapping.spatial.planner", "Placement": "program.program",
    "Program": "program.program", "Report": "report.report", "SPECIAL": "cost.cycles", "Split": "tiling.partition",
    "TileReadError": "simulate.values", "Timing": "timing.timing", "WORK": "cost.cycles",
    "build_program": "program.program", "compile_net": "compiler", "fuse": "kernels.fusion",
    "load_machine": "machine.model", "lower_bound": "cost.bound", "parse_machine": "machine.model",
    "preset_text": "machine.model", "presets": "machine.model", "print_program": "program.printer",
    "report": "report.report", "simulate": "simulate.values", "time_program": "timing.timing",
}  # fmt: skip

__all__ = [
    "ACCESS", "INSTRUCTIONS", "SPECIAL", "WORK", "Bound", "Kernel", "Machine", "Objective", "Placement", "Program",
    "Report", "Split", "TileReadError", "Timing", "backend", "build_program", "compile_net", "fuse", "load_machine",
    "lower_bound", "parse_machine", "preset_text", "presets", "print_program", "report", "simulate", "time_program",
]  # fmt: skip

# These names are packages too. The import system binds a package to its name once, when it is first imported: done
# here, the names are free for the functions from then on.
for _name in ("report", "simulate"):
    import_module(f"itc_tile.{_name}")
    del globals()[_name]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'itc_tile' has no attribute {name!r}")
    return getattr(import_module(f"itc_tile.{_HOME[name]}"), name)
