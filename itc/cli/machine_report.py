"""Tables of what a machine makes of a network, from the JSON of the machine backend's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from itc.cli.cost import size_text

MIB, KIB = 2**20, 2**10


def fit_table(report: Mapping[str, Any]) -> Table:
    """How full the machine is, and what its fullest tile holds."""
    fit, host = report["fit"], report["host"]
    fullest = fit["fullest"]
    contents = ", ".join(f"{name} {size / KIB:.1f}" for name, size in fullest["contents"].items() if size)
    table = _facts(f"{report['machine']}, {report['mapping']} mapping in float32: it fits")
    table.add_row("tiles", f"{fit['tiles_used']:,} of {fit['tiles']:,}")
    table.add_row("memory", f"{fit['bytes_used'] / MIB:.1f} of {fit['bytes'] / MIB:.1f} MiB")
    table.add_row(
        "fullest tile", f"{fullest['bytes'] / KIB:.1f} of {fit['tile_bytes'] / KIB:.0f} KiB ({fullest['kernel']})"
    )
    table.add_row("it holds, in KiB", contents)
    table.add_row("host, an image", f"{size_text(host['input_bytes'])} in, {size_text(host['output_bytes'])} out")
    return table


def stream_table(report: Mapping[str, Any]) -> Table:
    """Images one after the other, against what limits them."""
    stream, bound = report["stream"], report["bound"]
    limit = max(("compute_cycles", "work_cycles", "memory_cycles", "exchange_cycles"), key=lambda key: bound[key])
    table = _facts("a stream of images")
    table.add_row("period", f"{stream['period_cycles']:,} cycles: {stream['images_per_second']:,.0f} images a second")
    table.add_row("lower bound", f"{stream['bound_cycles']:,} cycles, by {limit.removesuffix('_cycles')}")
    table.add_row("period / bound", f"{stream['ratio']:.2f}")
    table.add_row("images at once", f"{stream['images_at_once']:.1f}")
    table.add_row("use of the peak", f"{stream['utilisation']:.1%}")
    return table


def outputs_table(report: Mapping[str, Any], agreement: Mapping[str, float], against: str) -> Table:
    """When each output of one image is there, against the longest path, and how far its values are off."""
    table = Table(title="one image alone, and agreement of the values", title_justify="left")
    table.add_column("output")
    for column in ("cycles", "ms", "longest path", "ratio", f"off {against} by"):
        table.add_column(column, justify="right")
    for row in report["outputs"]:
        cycles, bound = f"{row['cycles']:,}", f"{row['bound_cycles']:,}"
        off = f"{agreement[row['label']]:.1e}" if row["label"] in agreement else ""
        table.add_row(row["label"], cycles, f"{row['seconds'] * 1e3:.3f}", bound, f"{row['ratio']:.2f}", off)
    return table


def _facts(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    return table
