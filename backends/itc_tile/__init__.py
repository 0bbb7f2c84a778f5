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
from itc_tile.cost.cycles import INSTRUCTIONS, SPECIAL, WORK
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Machine, load_machine, parse_machine, preset_text, presets
from itc_tile.mapping.base import Objective
from itc_tile.ops.access import ACCESS
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

__all__ = [
    "ACCESS", "INSTRUCTIONS", "SPECIAL", "WORK", "Backend", "Bound", "Kernel", "Machine", "Objective", "Placement",
    "Program", "Report", "Split", "TileReadError", "Timing", "backend", "build_program", "compile_net", "fuse",
    "load_machine", "load_program", "lower_bound", "parse_machine", "parse_program", "preset_text", "presets",
    "print_program", "report", "save_program", "simulate", "summary", "time_program", "verify",
]  # fmt: skip
