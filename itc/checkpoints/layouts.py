"""Converts the tensor layouts of other libraries to those of a net, as recipes on a file's tensors.

A tensor made of several tensors, or of a part of one, has a derived name: `norms.*.weight` is a list of norms
stacked, `attn.q.weight` the rows of the queries in `attn.in_proj_weight`. A recipe applies only if the net has no
tensor of the file's shape, but one of the result's shape.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from itc.checkpoints.layers import Shape
from itc.ir.net import Net
from itc.ir.op import Array

IN_PROJ = re.compile(r"(?P<path>.*\.)?in_proj_(?P<part>weight|bias)")
RECURRENT = re.compile(r"(?P<path>.*\.)?(?P<part>weight|bias)_(?P<side>ih|hh)(?P<layer>_l\d{1,4})?(?P<back>_reverse)?")
#: PyTorch's gates in its order, by the names in the cells of `std`.
GATES = {4: ("take", "keep", "new", "show"), 3: ("reset", "update", "new")}
CELLS = {4: "LSTM", 3: "GRU"}


@dataclass(frozen=True)
class Tensor:
    """A converted tensor: its source tensors, the conversion, and its description."""

    shape: Shape
    sources: tuple[str, ...]
    make: Callable[[Sequence[Array]], Array]
    why: str = ""

    def value(self, found: Mapping[str, Array]) -> Array:
        return self.make([found[key] for key in self.sources])

    def then(self, shape: Shape, step: Callable[[Array], Array], why: str) -> Tensor:
        make = self.make
        return Tensor(shape, self.sources, lambda arrays: step(make(arrays)), "; ".join(filter(None, (self.why, why))))


Tensors = dict[str, Tensor]


def as_found(shapes: Mapping[str, Shape]) -> Tensors:
    return {key: Tensor(tuple(shape), (key,), lambda arrays: arrays[0]) for key, shape in shapes.items()}


def laid_out(tensors: Tensors, net: Net) -> Tensors:
    """The tensors after all applicable layout conversions."""
    shapes = {param.shape for param in net.params} | {param.type.shape for param in net.params}
    split: Tensors = {}
    for key, tensor in tensors.items():
        split |= _attention(key, tensor, shapes) or _gates(key, tensor, tensors, shapes) or {key: tensor}
    return _stacked({key: _reshaped(tensor, shapes) for key, tensor in split.items()}, net)


def _rows(tensor: Tensor, parts: int, part: int, why: str) -> Tensor:
    rows = tensor.shape[0] // parts
    start = part * rows
    return tensor.then((rows, *tensor.shape[1:]), lambda array: array[start : start + rows], why)


def _attention(key: str, tensor: Tensor, shapes: set[Shape]) -> Tensors:
    """torch.nn.MultiheadAttention: queries, keys and values in one matrix."""
    match = IN_PROJ.fullmatch(key)
    if not match or not tensor.shape or tensor.shape[0] % 3 or tensor.shape in shapes:
        return {}
    why = "rows {} of 3 of in_proj, as in torch.nn.MultiheadAttention"
    names = ("q", "k", "v")
    return {
        f"{match['path'] or ''}{name}.{match['part']}": _rows(tensor, 3, i, why.format(i + 1))
        for i, name in enumerate(names)
    }


def _gates(key: str, tensor: Tensor, tensors: Tensors, shapes: set[Shape]) -> Tensors:
    """torch.nn.LSTM and GRU: the gates in one matrix, of the input (`ih`) and of the state (`hh`)."""
    match = RECURRENT.fullmatch(key)
    if not match or not tensor.shape or tensor.shape in shapes:
        return {}
    path, suffix = match["path"] or "", f"{match['layer'] or ''}{match['back'] or ''}"
    state = tensors.get(f"{path}weight_hh{suffix}")
    if state is None or len(state.shape) != 2 or not state.shape[1] or state.shape[0] % state.shape[1]:
        return {}
    count = state.shape[0] // state.shape[1]
    if count not in GATES or tensor.shape[0] != state.shape[0]:
        return {}
    if match["layer"] and (match["layer"] != "_l0" or f"{path}weight_hh_l1{match['back'] or ''}" in tensors):
        path += f"{match['layer'][2:]}."
    path += "reverse." if match["back"] else ""
    ending = "_in" if match["side"] == "ih" else ""
    why = f"gate {{}} of {count}, as in torch.nn.{CELLS[count]}"
    return {
        f"{path}{gate}{ending}.{match['part']}": _rows(tensor, count, i, why.format(i + 1))
        for i, gate in enumerate(GATES[count])
    }


def _reshaped(tensor: Tensor, shapes: set[Shape]) -> Tensor:
    """Conv1d onto 1 x K, linear onto 1 x 1, and back."""
    if tensor.shape in shapes:
        return tensor
    for shape, why in _with_ones(tensor.shape):
        if shape in shapes:
            return tensor.then(shape, lambda array, to=shape: array.reshape(to), why)  # type: ignore[misc]
    return tensor


def _with_ones(shape: Shape) -> Iterable[tuple[Shape, str]]:
    match shape:
        case (out, into, size):
            yield (out, into, 1, size), f"conv1d as 1 x {size}"
            if size == 1:
                yield (out, into), "conv1d of size 1 as linear"
        case (out, into):
            yield (out, into, 1, 1), "linear as 1 x 1 convolution"
        case (out, into, 1, 1):
            yield (out, into), "1 x 1 convolution as linear"


# lists --------------------------------------------------------------------------------------------------------------


def _stacked(tensors: Tensors, net: Net) -> Tensors:
    """Lists whose items are the sets of a parameter: one per iteration of a loop, ordered by number.

    Inner lists come first, as the sets of an inner loop are the later axis.
    """
    sets = {param.shape[axis:] for param in net.params for axis in range(len(param.sets))}
    depth = max((key.count(".") for key in tensors), default=0)
    for at in range(min(depth, 32), -1, -1):
        tensors = _stacked_at(tensors, at, sets, net)
    return tensors


def _stacked_at(tensors: Tensors, at: int, sets: set[Shape], net: Net) -> Tensors:
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[int, str]] = {}
    for key in tensors:
        names = key.split(".")
        if at < len(names) - 1 and names[at].isdecimal() and len(names[at]) < 7:
            groups.setdefault((tuple(names[:at]), tuple(names[at + 1 :])), {})[int(names[at])] = key
    has = Counter((param.key.rpartition(".")[2], param.shape) for param in net.params)
    there = Counter((key.rpartition(".")[2], tensor.shape) for key, tensor in tensors.items())
    replaced: dict[str, str] = {}
    made: Tensors = {}
    for (before, after), items in groups.items():
        keys = [items[i] for i in sorted(items)]
        shape = tensors[keys[0]].shape
        kind = (after[-1], shape)
        whole = sorted(items) == list(range(len(items))) and all(tensors[key].shape == shape for key in keys)
        if whole and len(keys) > 1 and (len(keys), *shape) in sets and there[kind] > has[kind]:
            name = ".".join((*before, "*", *after))
            if name not in tensors:
                made[name] = stacked([tensors[key] for key in keys], f"{len(keys)} items, one for each iteration")
                replaced |= dict.fromkeys(keys, name)
    out: Tensors = {}
    for key, tensor in tensors.items():
        if key in replaced:
            out[replaced[key]] = made[replaced[key]]
        else:
            out[key] = tensor
    return out


def stacked(parts: Sequence[Tensor], why: str) -> Tensor:
    """The tensors as the sets of one."""
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + len(part.sources))

    def make(arrays: Sequence[Array]) -> Array:
        return np.stack([part.make(arrays[ends[i] : ends[i + 1]]) for i, part in enumerate(parts)])

    before = parts[0].why
    sources = tuple(source for part in parts for source in part.sources)
    return Tensor((len(parts), *parts[0].shape), sources, make, "; ".join(filter(None, (before, why))))


# rotary embeddings --------------------------------------------------------------------------------------------------


def rotated(value: Array, sets: int, heads: int) -> Array:
    """The rows of queries or keys, permuted from neighbouring pairs to the order of `rope` (i and i + d / 2)."""
    split = value.reshape(*value.shape[:sets], heads, -1, 2, *value.shape[sets + 1 :])
    return np.ascontiguousarray(np.moveaxis(split, sets + 2, sets + 1)).reshape(value.shape)
