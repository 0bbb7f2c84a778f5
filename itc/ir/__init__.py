"""The looped IR: types, operations, nets, builder, verifier, and the text form (docs/ir.md).

The parser and the printer of the text form are imported on first use: most commands need neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from itc.ir import ops as _ops  # noqa: F401  fills the registry
from itc.ir.builder import Builder, close
from itc.ir.iterations import IterationSet
from itc.ir.net import (
    Apply,
    Body,
    Carry,
    Each,
    Emit,
    Halt,
    Index,
    Loop,
    Net,
    Operand,
    Output,
    Param,
    ParamRef,
    Statement,
    Value,
    When,
    applies,
    walk,
)  # fmt: skip
from itc.ir.op import LAYERS, OPS, Layer, Op, ParamSpec, RuleError
from itc.ir.types import SeriesType, TensorType, Type
from itc.ir.verifier import verify

if TYPE_CHECKING:
    from itc.ir.parser import parse_net
    from itc.ir.printer import print_net

_TEXT_FORM = {"parse_net": "itc.ir.parser", "print_net": "itc.ir.printer"}


def __getattr__(name: str) -> Any:
    if name not in _TEXT_FORM:
        raise AttributeError(f"module 'itc.ir' has no attribute {name!r}")
    return getattr(import_module(_TEXT_FORM[name]), name)


__all__ = [
    "LAYERS", "OPS", "Apply", "Body", "Builder", "Carry", "Each", "Emit", "Halt", "Index", "IterationSet", "Layer",
    "Loop", "Net", "Op", "Operand", "Output", "Param", "ParamRef", "ParamSpec", "RuleError", "SeriesType", "Statement",
    "TensorType", "Type", "Value", "When", "applies", "close", "parse_net", "print_net", "verify", "walk",
]  # fmt: skip
