"""Inputs that a caller may leave out: the expression that is zeros then."""

from __future__ import annotations

from itc.ir import Value
from itc.ir.types import NUMPY_NAMES
from itc_torch.expressions import Expr, Name, call
from itc_torch.functions import or_zeros


def optional_input(value: Value, given: Name, first: Value, batch: Name) -> Expr:
    """What `given` holds, or zeros: for as many samples as `batch`, the net's first input, has."""
    type = value.tensor
    kind = None if type.dtype == first.tensor.dtype else NUMPY_NAMES[type.dtype]
    return call(or_zeros, given, batch, *type.shape, kind=kind)
