"""The report of a program as tables: how full the machine is, a stream of images, and one image alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itc.tables import Column, Table, facts
from itc.units import KIB, MIB, size_text

#: How the element types of a program's arithmetic are called.
NAMES = {"f32": "float32", "f16": "float16", "i8": "int8"}

#: What the rows of each table are, in two lines.
FIT = """Memory of the simulated tiles, all buffers of the program included.
The host sends the inputs of an image and receives its outputs."""
STREAM = """Simulated: the cycles from one image to the next, many in flight at once;
the lower bound is what no mapping onto this machine can beat."""
OUTPUTS = """Simulated cycles from the arrival of one image to each output; the longest path
is the least that the image's dependences allow, the ratio is how far it is off."""

if TYPE_CHECKING:
    from itc_tile.report.report import Report


def tables(report: Report) -> tuple[Table, ...]:
    """The three tables of a report."""
    return fit_table(report), stream_table(report), outputs_table(report)


def fit_table(report: Report) -> Table:
    """How full the machine is, and what its fullest tile holds."""
    fit, host, fullest = report.fit, report.host, report.fit.fullest
    contents = ", ".join(f"{name} {size / KIB:.1f}" for name, size in fullest.contents.items() if size)
    rows = (
        ("tiles", f"{fit.tiles_used:,} of {fit.tiles:,}"),
        ("memory", f"{fit.bytes_used / MIB:.1f} of {fit.bytes / MIB:.1f} MiB"),
        ("fullest tile", f"{fullest.bytes / KIB:.1f} of {fit.tile_bytes / KIB:.0f} KiB ({fullest.kernel})"),
        ("it holds, in KiB", contents),
        ("host, an image", f"{size_text(host.input_bytes)} in, {size_text(host.output_bytes)} out"),
    )
    return facts(f"{report.machine}, {report.mapping} mapping in {NAMES[report.precision]}: it fits", rows, FIT)


def stream_table(report: Report) -> Table:
    """Images one after the other, against the lower bound."""
    stream, bound = report.stream, report.bound
    limits = {
        "compute": bound.compute_cycles,
        "work": bound.work_cycles,
        "memory": bound.memory_cycles,
        "exchange": bound.exchange_cycles,
    }
    limit = max(limits, key=limits.__getitem__)
    rows = (
        ("period", f"{stream.period_cycles:,} cycles: {stream.images_per_second:,.0f} images a second"),
        ("lower bound", f"{stream.bound_cycles:,} cycles, by {limit}"),
        ("period / bound", f"{stream.ratio:.2f}"),
        ("images at once", f"{stream.images_at_once:.1f}"),
        ("use of the peak", f"{stream.utilisation:.1%}"),
    )
    return facts("a stream of images, simulated", rows, STREAM)


def outputs_table(report: Report) -> Table:
    """The cycles until each output of one image, against the longest path."""
    titles = ("output", "cycles", "ms", "longest path", "ratio")
    columns = tuple(Column(title, right=title != "output") for title in titles)
    rows = (
        (row.label, f"{row.cycles:,}", f"{row.seconds * 1e3:.3f}", f"{row.bound_cycles:,}", f"{row.ratio:.2f}")
        for row in report.outputs
    )
    return Table("one image alone, simulated", columns, tuple(rows), OUTPUTS, by_output=True)
