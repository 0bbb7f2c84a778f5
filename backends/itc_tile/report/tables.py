"""The report of a program as tables: how full the machine is, a stream of images, and one image alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from itc.tables import Column, Table, facts
from itc.units import KIB, MIB, size_text

#: How the element types of a program's arithmetic are called.
NAMES = {"f32": "float32", "f16": "float16", "i8": "int8"}

#: What the rows of each table are, in two lines.
FIT = """Memory of the simulated tiles, all buffers of the program included.
The host sends the inputs of an image and receives its outputs."""
STREAM = """Simulated: the period is the mean number of cycles from one image to the next;
the lower bound is what no mapping onto this machine can beat."""
OUTPUTS = """Simulated cycles from the arrival of the images to each output; the bound is the least
that dependences and the tiles allow, the ratio is how far the cycles are from it."""
CYCLES = """Simulated cycles of all runs, by phase; idle: the tiles that wait for the slowest,
on average. `runs` counts the supersteps of a kernel."""

if TYPE_CHECKING:
    from itc_tile.report.reasons import PathReport
    from itc_tile.report.report import BreakdownReport, Report, StreamReport

LONGEST = 5  # kernels in a table


def tables(report: Report) -> tuple[Table, ...]:
    """The three tables of a report."""
    return (fit_table(report), stream_table(report), *breakdown_tables(report), outputs_table(report))


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
        "tiles of their own": bound.tiles_cycles,
    }
    limit = max(limits, key=limits.__getitem__)
    rows = (
        ("period", f"{stream.period_cycles:,} cycles: {stream.images_per_second:,.0f} images a second"),
        ("lower bound", f"{stream.bound_cycles:,} cycles, by {limit}"),
        ("period / bound", f"{stream.ratio:.2f}"),
        ("images at once", f"{stream.images_at_once:.1f}"),
        ("use of the peak", f"{stream.utilisation:.1%}"),
        *_reasons(stream),
    )
    return facts("a stream of images, simulated", rows, STREAM)


def _reasons(stream: StreamReport) -> Iterator[tuple[str, str]]:
    """What limits the period, and where the time of the tiles goes."""
    if stream.limit:
        yield "limited by", f"{stream.limit.resource} of {stream.limit.kernel}"
    if stream.shares:
        names = ("compute", "exchange", "sync", "idle", "unused")
        yield "time of the tiles", ", ".join(f"{name} {getattr(stream.shares, name):.0%}" for name in names)


def breakdown_tables(report: Report) -> tuple[Table, ...]:
    """Where the cycles of a batch go, under temporal mapping: of all kernels, and of the longest ones."""
    if report.breakdown is None:
        return ()
    titles = ("kernel", "runs", "compute", "exchange", "sync", "rearrange", "idle")
    columns = tuple(Column(title, right=title != "kernel") for title in titles)
    longest = sorted(report.kernels, key=lambda kernel: -kernel.runs * (kernel.exchange_cycles + kernel.compute_cycles))
    rows = [("all", sum(kernel.runs for kernel in report.kernels), report.breakdown)]
    rows += [(kernel.label, kernel.runs, kernel.breakdown) for kernel in longest[:LONGEST] if kernel.breakdown]
    return (
        Table("cycles of a batch, all kernels and the longest", columns, tuple(_cycles(*row) for row in rows), CYCLES),
    )


def _cycles(label: str, runs: int, cycles: BreakdownReport) -> tuple[str, ...]:
    counts = (cycles.compute_cycles, cycles.exchange_cycles, cycles.sync_cycles, cycles.rearrange_cycles)
    return (label, f"{runs:,}", *(f"{count:,}" for count in counts), f"{cycles.idle_cycles:,.0f}")


def outputs_table(report: Report) -> Table:
    """The cycles until each output of one image, against the bound, and the longest kernel of its critical path."""
    reasons = any(row.path for row in report.outputs)
    titles = (
        "output",
        "cycles",
        "ms",
        "bound",
        "ratio",
        *(("compute", "exchange", "longest kernel") if reasons else ()),
    )
    columns = tuple(Column(title, right=title not in ("output", "longest kernel")) for title in titles)
    rows = (
        (row.label, f"{row.cycles:,}", f"{row.seconds * 1e3:.3f}", f"{row.bound_cycles:,}", f"{row.ratio:.2f}")
        + (_path(row.path, row.cycles) if row.path else ())
        for row in report.outputs
    )
    title = "one image alone" if report.breakdown is None else f"a batch of {report.batch}"
    return Table(f"{title}, simulated", columns, tuple(rows), OUTPUTS, by_output=True)


def _path(path: PathReport, cycles: int) -> tuple[str, str, str]:
    """Shares of compute and exchange in a latency, and the kernel that takes most of it."""
    longest = [f"{kernel.label} {kernel.cycles / max(1, cycles):.0%}" for kernel in path.kernels[:1]]
    moving = path.exchange_cycles + path.sync_cycles
    return f"{path.compute_cycles / max(1, cycles):.0%}", f"{moving / max(1, cycles):.0%}", "".join(longest)
