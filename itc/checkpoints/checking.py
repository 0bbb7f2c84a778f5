"""Compares the outputs of a net with imported weights to reference outputs of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from itc.diagnostics import CompileError, Diagnostic, fail
from itc.interpreter import interpret
from itc.ir.net import Net
from itc.ir.op import Array
from itc.ir.types import NUMPY_NAMES, TensorType

#: Rounding differences of float32 sums of a few thousand terms in another order, over some hundred layers.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Checked:
    """For each compared output, max |a - b| / max |b|."""

    name: str
    tolerance: float
    differences: dict[str, float]


def check(
    found: Mapping[str, Array], net: Net, weights: Mapping[str, Array], name: str, tolerance: float = TOLERANCE
) -> Checked:
    """Runs `net` on the inputs in `found` and compares with the outputs there.

    Raises CompileError: E0656 if these are not inputs and outputs of the net, E0657 where values are off by more than
    `tolerance` of the largest value.
    """
    inputs, outputs = _split(found, net, name)
    try:
        values = interpret(net, inputs, weights)
    except CompileError as error:  # ids beyond a table
        reasons = "; ".join(diagnostic.message for diagnostic in error.diagnostics)
        raise fail("E0656", f"{net.name} cannot run on the inputs of {name}: {reasons}") from None
    wrong = [
        f"{label} {list(array.shape)}, which is {list(values[label].shape)}"
        for label, array in outputs.items()
        if _batched(array, values[label].ndim).shape != values[label].shape
    ]
    if wrong:
        raise fail("E0656", f"{name} has outputs of other shapes than {net.name}: {', '.join(wrong)}")
    off = {label: _difference(values[label], _batched(array, values[label].ndim)) for label, array in outputs.items()}
    faults = [
        Diagnostic(
            "E0657",
            f"{label} differs from {name} by {value:.2g} of its largest value, the tolerance is {tolerance:g}",
            help="layers may be exchanged, or the spec differs from the source network; nothing is written",
        )
        for label, value in off.items()
        if not value <= tolerance
    ]
    if faults:
        raise CompileError(faults)
    return Checked(name, tolerance, off)


def _split(found: Mapping[str, Array], net: Net, name: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """The inputs and the outputs. Raises CompileError (E0656) with all mismatches."""
    types = {value.name: value.tensor for value in net.inputs}
    outputs = {key: array for key, array in found.items() if key in net.labels and key not in types}
    faults = [
        Diagnostic("E0656", f"{key} of {name} is neither an input nor an output of {net.name}", help=_has(net))
        for key in list(found)[:20]
        if key not in types and key not in outputs
    ]
    faults += [
        Diagnostic("E0656", f"{name} has no input {value.name} of {net.name}", help=_has(net))
        for value in net.required
        if value.name not in found
    ]
    if not outputs:
        faults.append(Diagnostic("E0656", f"{name} has no output of {net.name} to compare", help=_has(net)))
    inputs = {key: _batched(found[key], len(type.shape) + 1) for key, type in types.items() if key in found}
    for key, array in inputs.items():
        if fault := _unfit(array, types[key]):
            faults.append(Diagnostic("E0656", f"{name}: the input {key} {fault}"))
    if len({array.shape[:1] for array in inputs.values()}) > 1:
        faults.append(Diagnostic("E0656", f"{name}: the batch sizes of the inputs differ"))
    faults += [
        Diagnostic("E0656", f"{name}: the output {key} is {array.dtype}, not numbers")
        for key, array in outputs.items()
        if array.dtype.kind not in "fiub"
    ]
    if faults:
        raise CompileError(faults)
    return {key: array.astype(NUMPY_NAMES[types[key].dtype]) for key, array in inputs.items()}, outputs


def _has(net: Net) -> str:
    inputs = ", ".join(value.name for value in net.inputs)
    labels = net.labels
    return f"its inputs are {inputs}; its outputs {', '.join(labels[:12])}{', ...' if len(labels) > 12 else ''}"


def _unfit(array: Array, type: TensorType) -> str:
    if array.shape[1:] != type.shape or not len(array):
        return f"is {list(array.shape)}, not [batch, {', '.join(map(str, type.shape))}]"
    whole = NUMPY_NAMES[type.dtype].startswith(("int", "uint", "bool"))
    if array.dtype.kind not in ("iub" if whole else "fiub"):
        return f"is {array.dtype}, not {type.dtype}"
    return "" if np.isfinite(array).all() else "is not finite"


def _batched(array: Array, rank: int) -> Array:
    """The array with a batch axis added, if it has none."""
    return array[None] if array.ndim == rank - 1 else array


def _difference(value: Array, expected: Array) -> float:
    one, two = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    largest = float(np.abs(two).max(initial=0))
    off = float(np.abs(one - two).max(initial=0)) / (largest or 1.0)
    return off if np.isfinite(off) else float("inf")
