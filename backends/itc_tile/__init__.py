"""The tile backend: nets mapped onto machines of many tiles, as rolled programs with values, times and memory.

The usual call:

    machine = load_machine("gc200")
    program = compile_net(net, machine)
    outputs = simulate(program, inputs, weights)
    cycles = report(program).stream.period_cycles
"""

from itc_tile.backend import Backend, backend
from itc_tile.compiler import compile_net
from itc_tile.cost.bound import Bound, lower_bound
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Machine, load_machine, parse_machine, preset_text, presets
from itc_tile.mapping.spatial.planner import Objective
from itc_tile.ops.record import TileOp, register, tile_op
from itc_tile.program.printer import print_program
from itc_tile.program.program import Placement, Program, build_program
from itc_tile.report.report import Report, report
from itc_tile.simulate.values import TileReadError, simulate
from itc_tile.tiling.partition import Split
from itc_tile.timing.timing import Timing, time_program

__all__ = [
    "Backend", "Bound", "Kernel", "Machine", "Objective", "Placement", "Program", "Report", "Split", "TileOp",
    "TileReadError", "Timing", "backend", "build_program", "compile_net", "fuse", "load_machine", "lower_bound",
    "parse_machine", "preset_text", "presets", "print_program", "register", "report", "simulate", "tile_op",
    "time_program",
]  # fmt: skip
