"""Checks arrays of a caller against a net's inputs and weights (names, types and shapes), for all backends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import prod

import numpy as np

from itc.diagnostics import CompileError, Diagnostic, shortened
from itc.ir.net import Net, Value, applies
from itc.ir.op import Array
from itc.ir.types import FLOATS, NUMPY_NAMES, TensorType
from itc.weights import FLOAT_TYPES, argument_faults

Arrays = Mapping[str, Array]


def checked(net: Net, inputs: Arrays, weights: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """Checked inputs and weights of `net`: an array for each input, including optional ones, and each parameter.

    Raises CompileError with all mismatches (E0660 to E0663, E0612 to E0614), and TypeError for values that are not
    mappings.
    """
    _mapping("inputs", inputs)
    _mapping("weights", weights)
    faults = [*_input_faults(net, inputs), *_weight_faults(net, weights)]
    if faults:
        raise CompileError(faults)
    return completed(net, inputs), checked_weights(net, weights)


def checked_weights(net: Net, weights: Arrays) -> dict[str, Array]:
    """The checked weights. Raises CompileError (E0612 to E0614)."""
    _mapping("weights", weights)
    if faults := _weight_faults(net, weights):
        raise CompileError(faults)
    return {key: _typed(array, net.param[key].type) for key, array in weights.items()}


def has_types(weights: Arrays, net: Net) -> bool:
    """Whether arrays have the element types of the net's parameters, where these are not f32."""
    narrow = (param for param in net.params if param.type.dtype != "f32")
    found = ((getattr(weights.get(param.key), "dtype", None), NUMPY_NAMES[param.type.dtype]) for param in narrow)
    return all(dtype == wanted for dtype, wanted in found)


def _weight_faults(net: Net, weights: Arrays) -> list[Diagnostic]:
    shapes = {param.key: param.shape for param in net.params}
    narrow = {param.key for param in net.params if param.type.dtype == "i8"}
    return argument_faults(weights, shapes, "`weights`", net.name, narrow)


def checked_inputs(net: Net, inputs: Arrays) -> dict[str, Array]:
    """The checked inputs."""
    _mapping("inputs", inputs)
    if faults := [*_input_faults(net, inputs)]:
        raise CompileError(faults)
    return completed(net, inputs)


def _mapping(argument: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"`{argument}` must be a mapping from names to arrays, not {_article(type(value).__name__)}")


def completed(net: Net, inputs: Arrays) -> dict[str, Array]:
    """An array of the computation's type for each input: zeros for missing optional ones."""
    out = {value.name: _typed(inputs[value.name], value.tensor) for value in net.inputs if value.name in inputs}
    batch = len(next(iter(out.values()), ()))
    for value in net.inputs:
        if value.name not in out:
            out[value.name] = np.zeros((batch, *value.tensor.shape), NUMPY_NAMES[value.tensor.dtype])
    return out


def _typed(array: Array, type: TensorType) -> Array:
    """Arrays for f32 in their own precision, at least float32; others converted to `type`."""
    wanted = np.dtype(NUMPY_NAMES[type.dtype])
    return np.asarray(array, np.result_type(array.dtype, wanted) if type.dtype == "f32" else wanted)


def _input_faults(net: Net, inputs: Arrays) -> Iterator[Diagnostic]:
    yield from _name_faults(net, inputs)
    given = [value for value in net.inputs if value.name in inputs]
    faults = {value.name: _fault(value, inputs[value.name]) for value in given}
    yield from (fault for fault in faults.values() if fault)
    fit = [value for value in given if not faults[value.name]]
    yield from _batch_faults({value.name: len(inputs[value.name]) for value in fit})
    yield from _table_faults(net, {value.name: inputs[value.name] for value in fit})


def _name_faults(net: Net, inputs: Arrays) -> Iterator[Diagnostic]:
    """Missing inputs, and unknown names (E0660)."""
    known = {value.name: None for value in net.inputs}
    missing = [value.name for value in net.required if value.name not in inputs]
    listing = f"{net.name} has: " + ", ".join(f"{value.name} {value.type}" for value in net.inputs[:20])
    foreign = [name for name in inputs if name not in known]
    if missing:
        yield Diagnostic("E0660", f"`inputs` lacks {shortened(f'`{name}`' for name in missing)}", help=listing)
    if foreign:
        close = get_close_matches(str(foreign[0])[:100], known, 1)
        help = f"did you mean `{close[0]}`?\n{listing}" if close else listing
        texts = shortened(f"`{name!s:.60}`" for name in foreign)
        yield Diagnostic("E0660", f"`inputs` has {texts}, which {net.name} does not have", help=help)


def _fault(value: Value, array: object) -> Diagnostic | None:
    """The diagnostic of the array of one input: its type (E0662) or its shape (E0661)."""
    type = value.tensor
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        kind = _article(array.__class__.__name__)
        how = "numpy(force=True)" if hasattr(array, "numpy") else ""
        help = f"write `{value.name}.{how}`" if how else f"give an array: `np.asarray({value.name})`"
        return Diagnostic("E0662", f"the input `{value.name}` must be a NumPy array, not {kind}", help=help)
    if reason := _type_fault(type, array):
        message = f"the input `{value.name}` must be {type}, not {reason}"
        return Diagnostic("E0662", message, help=_type_help(value.name, type, array))
    if array.shape[1:] == type.shape and array.ndim and len(array):
        return None
    message = (
        f"the input `{value.name}` must be [batch{''.join(f', {n}' for n in type.shape)}], not {list(array.shape)}"
    )
    return Diagnostic("E0661", message, help=_shape_help(value.name, type, array))


def _type_fault(type: TensorType, array: Array) -> str:
    """The description of an array that is invalid for a tensor of `type`: floats, integers in range, or booleans."""
    if type.dtype in FLOATS:
        return "" if array.dtype.name in FLOAT_TYPES else array.dtype.name
    if type.dtype == "bool":
        return "" if array.dtype == bool else array.dtype.name
    if array.dtype.kind not in "iu":
        return array.dtype.name
    limits = np.iinfo(NUMPY_NAMES[type.dtype])
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    return "" if limits.min <= low and high <= limits.max else f"numbers from {low} to {high}"


def _type_help(name: str, type: TensorType, array: Array) -> str:
    """A help to convert integers to floats; other conversions lose information, and are left to the caller."""
    return f"convert it: `{name}.astype(np.float32)`" if type.dtype in FLOATS and array.dtype.kind in "biu" else ""


def _shape_help(name: str, type: TensorType, array: Array) -> str:
    if array.shape == type.shape:
        return f"the first axis is the batch: `{name}[None]`"
    if array.ndim == len(type.shape) + 1 and not len(array):
        return "a batch has at least one sample"
    return "set other sizes when the spec is loaded" if prod(type.shape) else ""


def _batch_faults(batches: Mapping[str, int]) -> Iterator[Diagnostic]:
    if len(set(batches.values())) > 1:
        texts = shortened(f"`{name}` has {count}" for name, count in batches.items())
        yield Diagnostic("E0661", f"the inputs have different numbers of samples: {texts}")


def _table_faults(net: Net, inputs: Arrays) -> Iterator[Diagnostic]:
    """Inputs with ids outside the tables, or other positions, that they choose from (E0663)."""
    rows: dict[str, int] = {}
    for apply in applies(net.body):
        found = apply.op.indexed(net.operand_types(apply))
        ids = apply.operands[found[0]] if found else None
        if found and isinstance(ids, Value):
            rows[ids.name] = min(found[1], rows.get(ids.name, found[1]))
    for name, count in rows.items():
        if name in inputs and not 0 <= int(inputs[name].min(initial=0)) <= int(inputs[name].max(initial=0)) < count:
            low, high = int(inputs[name].min()), int(inputs[name].max())
            message = f"the input `{name}` has ids from {low} to {high}, for a table of {count} rows"
            yield Diagnostic("E0663", message, help=f"give ids from 0 to {count - 1}")


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiouAEIOU' else 'a'} {word}"
