"""Inputs of a module: tensors from a caller are checked, and those that may be left out are zeros then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from itc.ir import Value
from itc.ir.types import FLOATS, NUMPY_NAMES
from itc_torch.expressions import Expr, Name, call
from itc_torch.functions import or_zeros

INTEGERS = {"i64": (torch.int64, torch.int32), "i32": (torch.int32, torch.int64), "i8": (torch.int8,)}


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a module: the element type and the sizes of one sample in the net."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    optional: bool

    def fault(self, given: object) -> TypeError | ValueError | None:
        """The fault of a tensor: its type, its number of axes, or the channels of a map."""
        text = f"the input `{self.name}` is {self.dtype}[batch{''.join(f', {size}' for size in self.shape)}]"
        if not isinstance(given, Tensor):
            return TypeError(f"{text}: a tensor, not {type(given).__name__}")
        if not self._takes(given.dtype):
            return TypeError(f"{text}, not {given.dtype}")
        other = f"{text}, not {list(given.shape)}"
        if given.ndim != len(self.shape) + 1:
            unbatched = given.ndim == len(self.shape)
            return ValueError(other + f"; the first axis is the batch: `{self.name}[None]`" * unbatched)
        if len(self.shape) >= 3 and given.shape[-3] != self.shape[-3]:
            return ValueError(f"{other}: {self.shape[-3]} channels")
        return None

    def _takes(self, dtype: torch.dtype) -> bool:
        if self.dtype in FLOATS:
            return dtype.is_floating_point
        return dtype in INTEGERS.get(self.dtype, (torch.bool,))


def check_tensors(inputs: Sequence[Input], given: Sequence[object], named: Mapping[str, object]) -> dict[str, Tensor]:
    """The tensors by the name of their input; raises TypeError or ValueError for those that a module does not take.

    Names and their number are left to the call itself, and so are the stand-ins of `torch.fx` while it traces.
    """
    first: tuple[str, int] | None = None
    tensors: dict[str, Tensor] = {}
    by_name = {**dict(zip((each.name for each in inputs), given, strict=False)), **named}
    for each in inputs:
        tensor = by_name.get(each.name)
        if each.name not in by_name or isinstance(tensor, fx.Proxy) or (tensor is None and each.optional):
            continue
        if fault := each.fault(tensor):
            raise fault
        assert isinstance(tensor, Tensor)
        name, batch = first = first or (each.name, tensor.shape[0])
        if tensor.shape[0] != batch:
            raise ValueError(f"the input `{each.name}` has {tensor.shape[0]} samples, `{name}` has {batch}")
        tensors[each.name] = tensor
    return tensors


def optional_input(value: Value, given: Name, first: Value, batch: Name) -> Expr:
    """What `given` holds, or zeros: for as many samples as `batch`, the net's first input, has."""
    type = value.tensor
    kind = None if type.dtype == first.tensor.dtype else NUMPY_NAMES[type.dtype]
    return call(or_zeros, given, batch, *type.shape, kind=kind)
