"""Diagnostic of a net that does not fit under temporal mapping: what the fullest tile of the smallest plan holds."""

from __future__ import annotations

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.units import KIB, MIB
from itc_tile.machine.model import Machine
from itc_tile.program.program import Program
from itc_tile.program.supersteps.addresses import fullest_point


def does_not_fit(program: Program, larger: tuple[Machine, int] | None) -> CompileError:
    """E0553, for the program of least memory, and the smallest `larger` machine that seems to suffice."""
    machine, net, fullest = program.machine, program.net, fullest_point(program)
    message = (
        f"{net.name} does not fit on {machine.name} under temporal mapping: "
        f"a tile would hold {fullest.bytes / KIB:.1f} KiB of {machine.tile.memory / KIB:.0f} KiB"
    )
    span = program.nodes[fullest.kernel].apply.span
    primary = Label(span, f"while `{fullest.kernel}` runs, a tile is the fullest") if span else None
    secondary = (Label(net.span, "in this network"),) if net.span and primary else ()
    parts = sorted(fullest.contents.items(), key=lambda item: -item[1])
    contents = ", ".join(f"{name} {size / KIB:.1f} KiB" for name, size in parts)
    ways = [f"tile {fullest.tile} would hold {contents}", *_ways_out(larger)]
    return CompileError([Diagnostic("E0553", message, primary, secondary, "\n".join(ways))])


def _ways_out(larger: tuple[Machine, int] | None) -> list[str]:
    if larger is None:
        return ["to fit: share weights between iterations, or take fewer channels or a smaller input"]
    machine, bytes = larger
    size = f"{machine.memory / MIB:.0f} MiB in {machine.tiles} tiles"
    return [f"to fit: take {machine.name} ({size}), whose fullest tile would hold about {bytes / KIB:.0f} KiB"]
