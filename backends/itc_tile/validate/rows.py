"""Files of expected figures: training steps of convolutions, products of matrices, or vertices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.source import Span
from itc_tile.layers.layer import Convolution, Layer, matrix_product, training_step
from itc_tile.layers.vertices import OPERAND_BYTES, Groups, VertexUnits
from itc_tile.machine.model import Machine
from itc_tile.machine.supersteps import ConvolutionUnits
from itc_tile.validate.cells import MOST_SIZE, Line, lines, read_source, wrong

CONVOLUTION = ("batch", "groups", "cin", "cout", "field", "kernel", "stride", "pad_lo", "pad_up")
VERTEX = (
    "field_elems",
    "in_groups(16ch)",
    "out_groups(16ch)",
    "conv_units",
    "half_partials",
    "coeff_load_B_per_cycle",
    "cycles",
)
FIGURES = ("cycles", "total_mem", "max_tile_mem")
PRODUCT = re.compile(r".*?([0-9]+)x([0-9]+)x([0-9]+)", re.ASCII)
WEIGHTS, WIDTH = 16, 16
MOST_MACS, MOST_ELEMENTS = 10**14, 10**10
Kind = Literal["training steps", "products", "vertices"]


@dataclass(frozen=True)
class Expected:
    """The vendor's figures: cycles, bytes of all tiles, bytes of the fullest tile."""

    cycles: int
    total: int
    fullest: int


@dataclass(frozen=True)
class LayerRow:
    """Layers that run one after the other, beside `resident` bytes of data; `macs` are without those on padding."""

    name: str
    layers: tuple[Layer, ...]
    macs: int
    resident: int
    expected: Expected


@dataclass(frozen=True)
class VertexRow:
    """One vertex on one tile."""

    name: str
    field: int
    groups: Groups
    units: VertexUnits
    cycles: int


@dataclass(frozen=True)
class Rows:
    """The rows of a file, all of one kind."""

    kind: Kind
    layers: tuple[LayerRow, ...] = ()
    vertices: tuple[VertexRow, ...] = ()


def read_rows(path: Path, machine: Machine) -> Rows:
    """The rows of a file with the figures of a machine.

    Raises CompileError: E0561 for titles of no known format, E0562 for a wrong cell, E0563 without figures of the
    machine, E0565 for a file without rows or with too many.
    """
    titles, rows = lines(read_source(path))
    if set(VERTEX) <= set(titles.cells):
        return Rows("vertices", vertices=tuple(_vertex(row, machine) for row in rows))
    columns = _columns(titles, machine)
    if set(CONVOLUTION) <= set(titles.cells):
        return Rows("training steps", tuple(_training_step(row, columns) for row in rows))
    return Rows("products", tuple(_product(row, columns) for row in rows))


def _columns(titles: Line, machine: Machine) -> tuple[str, str, str]:
    """The titles of a machine's figures."""
    known = [title.removesuffix("_cycles") for title in titles.cells if title.endswith("_cycles")]
    first = next(iter(titles.cells.values()))
    if "name" not in titles.cells or not known:
        help = f"titles are name, {', '.join(CONVOLUTION)} and MACHINE_cycles; or name and MACHINE_cycles"
        raise CompileError([Diagnostic("E0561", "the titles are of no known format", Label(first), help=help)])
    assert machine.supersteps is not None
    reference = machine.supersteps.reference
    cycles, total, fullest = (f"{reference}_{figure}" for figure in FIGURES)
    missing = [title for title in (cycles, total, fullest) if title not in titles.cells]
    if missing:
        message = f"there is no column {missing[0]} of expected figures for {machine.name}"
        help = f"the file has figures of {', '.join(known)}; `reference` in the machine file names its own"
        raise CompileError([Diagnostic("E0563", message, Label(first), help=help)])
    return cycles, total, fullest


def _expected(row: Line, columns: tuple[str, str, str]) -> Expected:
    return Expected(*(row.figure(column) for column in columns))


def _training_step(row: Line, columns: tuple[str, str, str]) -> LayerRow:
    """Data and weights are resident with their gradients."""
    layer = Convolution(
        row.number("batch"),
        row.number("groups"),
        row.number("cin"),
        row.number("cout"),
        field=row.pair("field"),
        kernel=row.pair("kernel"),
        stride=row.pair("stride"),
        below=row.pair("pad_lo", 0),
        above=row.pair("pad_up", 0),
    )
    if min(layer.result) < 1:
        raise wrong(row.cells["kernel"], "the kernel is larger than the padded field")
    layers = training_step(layer)
    _check_size(row.cells["cin"], layers)
    elements = layers[0].input_elements + layers[0].result_elements + layers[0].weight_elements
    return LayerRow(row.text("name"), layers, 3 * layer.macs, 2 * elements * OPERAND_BYTES, _expected(row, columns))


def _product(row: Line, columns: tuple[str, str, str]) -> LayerRow:
    match = PRODUCT.fullmatch(row.text("name"))
    if not match or not all(len(size) < 7 and 0 < int(size) <= MOST_SIZE for size in match.groups()):
        raise wrong(row.cells["name"], f"expected a name that ends in sizes up to {MOST_SIZE}, such as `gemm_64x32x16`")
    rows, inner, outer = map(int, match.groups())
    layer = matrix_product(rows, inner, outer)
    _check_size(row.cells["name"], (layer,))
    elements = layer.input_elements + layer.result_elements + layer.weight_elements
    macs = rows * inner * outer
    return LayerRow(row.text("name"), (layer,), macs, elements * OPERAND_BYTES, _expected(row, columns))


def _check_size(span: Span, layers: tuple[Layer, ...]) -> None:
    """Bounds the work of a row. Raises CompileError (E0562)."""
    macs = max(layer.result_elements * layer.inputs * prod(layer.kernel) for layer in layers)
    elements = max(max(layer.input_elements, layer.weight_elements, layer.result_elements) for layer in layers)
    if macs > MOST_MACS or elements > MOST_ELEMENTS:
        message = f"the layer has more than {MOST_MACS:.0e} multiply-accumulates or {MOST_ELEMENTS:.0e} elements"
        raise wrong(span, message)


def _vertex(row: Line, machine: Machine) -> VertexRow:
    half = row.text("half_partials")
    if half not in ("True", "False"):
        raise wrong(row.cells["half_partials"], "expected True or False")
    units = ConvolutionUnits(
        units=row.number("conv_units", most=WEIGHTS), weights=WEIGHTS, load=row.number("coeff_load_B_per_cycle")
    )
    groups = Groups(row.number("in_groups(16ch)"), row.number("out_groups(16ch)"), 1, WIDTH)
    field = row.number("field_elems")
    name = f"{field} x {groups.inputs} x {groups.outputs}, {units.units} units, {units.load} B/cycle"
    return VertexRow(
        name, field, groups, VertexUnits(units, machine.tile.workers, half == "False"), row.figure("cycles")
    )
