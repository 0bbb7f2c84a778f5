"""The values of parameters: fresh ones by each parameter's init, and checkpoints in the safetensors format."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import prod, sqrt
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from itc.diagnostics import CompileError, Diagnostic, fail
from itc.files import replacing
from itc.ir.net import Net, Param
from itc.ir.op import Array


def initial(net: Net, seed: int = 0) -> dict[str, Array]:
    """Fresh float32 values of every parameter; each depends on `seed` and its own key alone."""
    return {
        param.key: _initial(param, np.random.default_rng([seed, zlib.crc32(param.key.encode())]))
        for param in net.params
    }


def _initial(param: Param, rng: np.random.Generator) -> Array:
    fan_in = prod(param.type.shape[1:]) or 1
    match param.init:
        case "zeros":
            value = np.zeros(param.shape)
        case "ones":
            value = np.ones(param.shape)
        case "kaiming":
            value = rng.normal(0, sqrt(2 / fan_in), param.shape)
        case "uniform":
            value = rng.uniform(-1 / sqrt(fan_in), 1 / sqrt(fan_in), param.shape)
        case number:
            value = np.full(param.shape, float(number))
    return value.astype(np.float32)


def load(path: str | Path, net: Net) -> dict[str, Array]:
    """The checkpoint at `path`; raises CompileError (E0610-E0615) naming each key that is not as `net` has it."""
    try:
        found = load_file(path)
    except FileNotFoundError:
        raise fail("E0610", f"there is no checkpoint {path}") from None
    except TypeError as error:  # NumPy's word for a type that it has not
        help = "weights are float16, float32 or float64; save them as one of these"
        raise fail("E0614", f"{path}: {error}", help=help) from None
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        if Path(path).is_dir():
            raise fail("E0611", f"{path} is a folder, not a safetensors file") from None
        raise fail("E0611", f"{path} is not a safetensors file: {error}") from None
    check(found, net, str(path))
    _numbers(found, str(path))
    return {key: np.asarray(value, np.float32) for key, value in found.items()}


def _numbers(found: Mapping[str, Array], name: str) -> None:
    """Raises CompileError for values that are not floating-point numbers (E0614) or not finite in float32 (E0615)."""
    faults = [
        Diagnostic("E0614", f"{name} has {key} as {value.dtype}", help="weights are float16, float32 or float64")
        for key, value in found.items()
        if value.dtype.kind != "f"
    ]
    limit = np.finfo(np.float32).max
    faults += [
        Diagnostic("E0615", f"{name} has values in {key} that are not finite in float32")
        for key, value in found.items()
        if value.dtype.kind == "f" and not (np.abs(value) <= limit).all()
    ]
    if faults:
        raise CompileError(faults)


def check(found: Mapping[str, Array], net: Net, name: str = "the checkpoint") -> None:
    """Raises CompileError unless `found` has the keys and shapes of `net`'s parameters, no more and no less."""
    faults = [
        Diagnostic("E0612", f"{name} lacks {param.key} {list(param.shape)}")
        for param in net.params
        if param.key not in found
    ]
    faults += [
        Diagnostic("E0612", f"{name} has {key}, which {net.name} does not") for key in found if key not in net.param
    ]
    faults += [
        Diagnostic("E0613", f"{name} has {key} as {list(found[key].shape)}, {net.name} as {list(net.param[key].shape)}")
        for key in found
        if key in net.param and found[key].shape != net.param[key].shape
    ]
    if faults:
        raise CompileError(faults)


def save(path: str | Path, weights: Mapping[str, Array]) -> None:
    """Writes a checkpoint; a failure leaves no half-written file."""
    with replacing(Path(path)) as beside:
        save_file({key: np.ascontiguousarray(value) for key, value in weights.items()}, beside)
