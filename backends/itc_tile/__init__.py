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
    from itc_tile.kernels.fusion import fuse
    from itc_tile.kernels.kernel import Kernel
    from itc_tile.machine.model import Machine, load_machine, parse_machine, preset_text, presets
    from itc_tile.mapping.base import Objective
    from itc_tile.ops.record import TileOp, register, tile_op
    from itc_tile.program.build import build_program
    from itc_tile.program.file import load_program, save_program
    from itc_tile.program.parse import parse_program
    from itc_tile.program.program import Placement, Program
    from itc_tile.program.summary import summary
    from itc_tile.program.text import print_program
    from itc_tile.program.verify import verify
    from itc_tile.report.report import Report, report
    from itc_tile.simulate.values import TileReadError, simulate
    from itc_tile.tiling.partition import Split
    from itc_tile.timing.timing import Timing, time_program

#: The module of each name.
_HOME = {
    "Bound": "cost.bound", "build_program": "program.build", "compile_net": "compiler", "fuse": "kernels.fusion",
    "Kernel": "kernels.kernel", "load_machine": "machine.model", "load_program": "program.file",
    "lower_bound": "cost.bound", "Machine": "machine.model", "Objective": "mapping.base",
    "parse_machine": "machine.model", "parse_program": "program.parse", "Placement": "program.program",
    "preset_text": "machine.model", "presets": "machine.model", "print_program": "program.text",
    "Program": "program.program", "register": "ops.record", "Report": "report.report", "report": "report.report",
    "save_program": "program.file", "simulate": "simulate.values", "Split": "tiling.partition",
    "summary": "program.summary", "tile_op": "ops.record", "TileOp": "ops.record",
    "TileReadError": "simulate.values", "time_program": "timing.timing", "Timing": "timing.timing",
    "verify": "program.verify",
}  # fmt: skip

__all__ = [
    "Bound", "Kernel", "Machine", "Objective", "Placement", "Program", "Report", "Split", "TileOp", "TileReadError",
    "Timing", "backend", "build_program", "compile_net", "fuse", "load_machine", "load_program", "lower_bound",
    "parse_machine", "parse_program", "preset_text", "presets", "print_program", "register", "report",
    "save_program", "simulate", "summary", "tile_op", "time_program", "verify",
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
