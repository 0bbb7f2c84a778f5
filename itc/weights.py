"""Values of parameters: initial ones by each parameter's `init`, and checkpoints in the safetensors format.

An `init` is one of these, where fan-in is the product of all sizes but the first and fan-out of all but the second:

- `zeros`, `ones`, or a number as text: a constant;
- `kaiming`: normal, std = sqrt(2 / fan-in); `uniform`: in +-1 / sqrt(fan-in), PyTorch's default for biases and linear
  layers; `xavier`: uniform in +-sqrt(6 / (fan-in + fan-out)); `lecun`: normal, std = 1 / sqrt(fan-in), truncated at two
  standard deviations;
- `normal`, or `normal(std)`: normal, std 1 unless given;
- `sinusoid`: the table of `itc.ir.ops.position.Sinusoid`, with positions along all axes but the last, including sets;
- `values(a, b, ...)`: these numbers in order, one per element of all sets.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container, Mapping
from difflib import get_close_matches
from math import prod, sqrt
from pathlib import Path

import numpy as np
from safetensors.numpy import save as safetensors

from itc.diagnostics import CompileError, Diagnostic, shortened
from itc.files import write_bytes
from itc.ir.net import Net, Param
from itc.ir.op import Array, split_init
from itc.ir.ops.position import sinusoids
from itc.tensor_files import Tensors, read_safetensors, type_name
from itc.tensor_files import shapes as tensor_shapes

#: Floating-point types that every backend computes with.
FLOAT_TYPES = ("float16", "float32", "float64")
#: Numbers that are drawn at once.
PART = 2**20
_OTHER_SPEC = "it was trained with another formula in `iteration`: use the original spec"


def initial(net: Net, seed: int = 0) -> dict[str, Array]:
    """Initial float32 values of all parameters; each depends only on `seed` and its own key."""
    return {
        param.key: _initial(param, np.random.default_rng([seed, zlib.crc32(param.key.encode())]))
        for param in net.params
    }


def _initial(param: Param, rng: np.random.Generator) -> Array:
    name, texts = split_init(param.init)
    numbers = tuple(map(float, texts))
    fan_in = prod(param.type.shape[1:]) or 1
    fan_out = prod(param.type.shape[:1] + param.type.shape[2:])
    match name:
        case "kaiming" | "normal":
            std = sqrt(2 / fan_in) if name == "kaiming" else (*numbers, 1.0)[0]
            return _drawn(param.shape, lambda count: rng.normal(0, 1, count) * std)
        case "lecun":
            return _cut_off(rng, param.shape, sqrt(1 / fan_in))
        case "uniform" | "xavier":
            bound = sqrt(1 / fan_in) if name == "uniform" else sqrt(6 / (fan_in + fan_out))
            return _drawn(param.shape, lambda count: rng.uniform(-bound, bound, count))
        case "sinusoid":
            table = sinusoids(prod(param.shape[:-1]), param.shape[-1]).reshape(param.shape)
            return np.asarray(table, np.float32)
        case "values":
            return np.array(numbers, np.float32).reshape(param.shape)
        case _:
            return np.full(param.shape, constants(param.init), np.float32)


def _drawn(shape: tuple[int, ...], draw: Callable[[int], Array]) -> Array:
    """Numbers in float32, drawn in float64 in parts: the same as if all were drawn at once."""
    out = np.empty(prod(shape), np.float32)
    for part in np.array_split(out, -(-len(out) // PART) or 1):
        part[...] = draw(len(part))
    return out.reshape(shape)


def constants(init: str) -> float:
    """The constant of an init."""
    return {"zeros": 0.0, "ones": 1.0}[init] if init in ("zeros", "ones") else float(init)


def _cut_off(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> Array:
    """Normal numbers, redrawn beyond two standard deviations: all of a round behind each other."""
    out, start, beyond = np.empty(prod(shape), np.float32), 0, []
    for part in np.array_split(out, -(-len(out) // PART) or 1):
        numbers = rng.normal(0, 1, len(part))
        part[...] = numbers * std
        beyond.append(start + np.flatnonzero(np.abs(numbers) > 2))
        start += len(part)
    places = np.concatenate(beyond)
    while len(places):
        numbers = rng.normal(0, 1, len(places))
        out[places] = numbers * std
        places = places[np.abs(numbers) > 2]
    return out.reshape(shape)


def load(path: str | Path, net: Net) -> dict[str, Array]:
    """The checkpoint at `path`; raises CompileError (E0610-E0617) with all keys that differ from those of `net`.

    Values are read only after names and shapes have been checked.
    """
    found = read(path)
    check(found, net, str(path))
    values = as_float32(found, str(path))
    _tables(values, net, str(path))
    return values


def read(path: str | Path) -> Tensors:
    """The tensors of a safetensors file by name; raises CompileError (E0604, E0610, E0611, E0617, E0650) if it is none.

    Values are read on access, which raises CompileError (E0614) for types not supported by NumPy.
    """
    return read_safetensors(Path(path))


def as_float32(found: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The values as float32; raises CompileError unless they are floats (E0614) and finite (E0615)."""
    faults = []
    types = {key: type_name(found, key) for key in found}
    if other := [f"{key} as {type}" for key, type in types.items() if not type.startswith("float")]:
        help = "weights are float16, float32 or float64; save them as one of these"
        faults.append(Diagnostic("E0614", f"{name} has {shortened(other)}", help=help))
    values, endless, limit = {}, [], np.finfo(np.float32).max
    for key in (key for key, type in types.items() if type.startswith("float")):
        value = found[key]
        if (np.abs(value) <= limit).all():
            values[key] = np.asarray(value, np.float32)
        else:
            endless.append(key)
    if endless:
        faults.append(Diagnostic("E0615", f"{name} has values that are not finite in float32, in {shortened(endless)}"))
    if faults:
        raise CompileError(faults)
    return values


def _tables(found: Mapping[str, Array], net: Net, name: str) -> None:
    """Raises CompileError (E0616) for tables that differ between the spec and the checkpoint."""
    tables = [param for param in net.params if param.role == "constant" and param.init.startswith("values(")]
    faults = [
        Diagnostic("E0616", f"{param.key} of {name} differs from the table of the spec", help=_OTHER_SPEC)
        for param in tables
        if not np.allclose(found[param.key], _initial(param, np.random.default_rng()), rtol=1e-3, atol=1e-6)
    ]
    if faults:
        raise CompileError(faults)


def check(found: Mapping[str, Array], net: Net, name: str = "the checkpoint") -> None:
    """Raises CompileError unless `found` has exactly the keys and shapes of `net`'s parameters."""
    shapes = {key: param.shape for key, param in net.param.items()}
    faults = mismatches(tensor_shapes(found), shapes, name, net.name)
    if faults:
        raise CompileError(faults)


def argument_faults(
    values: Mapping[str, object], shapes: Shapes, name: str, owner: str, narrow: Container[str] = ()
) -> list[Diagnostic]:
    """Diagnostics of a caller's arrays for parameters of these shapes (E0612 to E0614); those of `narrow` are int8."""
    arrays = {str(key): value for key, value in values.items() if isinstance(value, np.ndarray)}
    others = {str(key): type(value).__name__ for key, value in values.items() if not isinstance(value, np.ndarray)}
    shaped = {key: value.shape for key, value in arrays.items()} | {key: shapes.get(key, ()) for key in others}
    faults = mismatches(shaped, shapes, name, owner)
    others |= {
        key: value.dtype.name
        for key, value in arrays.items()
        if value.dtype.name not in (("int8",) if key in narrow else FLOAT_TYPES)
    }
    if others:
        texts = shortened(f"{key} as {kind}" for key, kind in others.items())
        help = "weights are NumPy arrays of float16, float32 or float64"
        if any(key in narrow for key in others):
            help = "those of an int8 network are made by its own `weights()`"
        faults.append(Diagnostic("E0614", f"{name} has {texts}", help=help))
    return faults


Shapes = Mapping[str, tuple[int, ...]]


def mismatches(found: Shapes, wanted: Shapes, name: str, owner: str) -> list[Diagnostic]:
    """Differences between the shapes of the values `name` and of the parameters of `owner` (E0612, E0613)."""
    faults = []
    missing = [key for key in wanted if key not in found]
    foreign = [key for key in found if key not in wanted]
    other = [key for key in found if key in wanted and found[key] != wanted[key]]
    if missing:
        texts = shortened(f"{key} {list(wanted[key])}" for key in missing)
        faults.append(Diagnostic("E0612", f"{name} lacks {texts}"))
    if foreign:
        near = get_close_matches(foreign[0], missing[:1000], 1)
        help = f"did you mean {near[0]} where it has {foreign[0]}?" if near else ""
        faults.append(Diagnostic("E0612", f"{name} has {shortened(foreign)}, which {owner} does not have", help=help))
    if other:
        texts = shortened(f"{key} as {list(found[key])} and not {list(wanted[key])}" for key in other)
        faults.append(Diagnostic("E0613", f"{name} has other shapes than {owner}: {texts}"))
    return faults


def save(path: str | Path, weights: Mapping[str, Array]) -> None:
    """Writes a checkpoint atomically.

    safetensors only serialises: its own writer would create a file with other permissions.
    """
    write_bytes(Path(path), safetensors({key: np.ascontiguousarray(value) for key, value in weights.items()}))
