"""Kernels: fused groups of operations, of which only the result is stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from itc.ir.net import Apply, Value
from itc.ir.op import Array, Op, RuleError
from itc.ir.ops.resize import Resize
from itc.ir.precision import evaluate
from itc.ir.types import NUMPY_NAMES, TensorType
from itc.ir.uses import data_operands
from itc_tile.ops.record import is_copy_like, is_fusable


@dataclass(frozen=True)
class Kernel(Op):
    """`body` over formal values: operands are those of `inputs`, then those of `params`; the one result is `result`.

    The tensors of a body are named `x0, x1, ...` (inputs), `p0, p1, ...` (one set of each parameter) and `v0, v1, ...`.
    A value of which only the shape is read (`s0, ...`) is no input: its type says all. A kernel that reads no element
    at all (a fill) has one input of which only the batch is read. A kernel without a body is a copy: its result is its
    input.
    """

    name = "kernel"
    arity = (1, 1 << 30)  # what the operations of a body read together
    label: str
    body: tuple[Apply, ...]
    inputs: tuple[Value, ...]
    params: tuple[Value, ...]
    result: Value

    @cached_property
    def anchor(self) -> Apply | None:
        """The operation that is not fusable, such as a convolution; none where all are copies or pointwise."""
        return next((apply for apply in self.body if not is_fusable(apply.op)), None)

    @cached_property
    def epilogue(self) -> tuple[Apply, ...]:
        """A resize behind the anchor and all that follows: the end of a network output's head."""
        after = False
        for position, apply in enumerate(self.body):
            if after and isinstance(apply.op, Resize) and self._depends(apply):
                return self.body[position:]
            after = after or apply is self.anchor
        return ()

    def _depends(self, apply: Apply) -> bool:
        """Whether an operation behind the anchor is computed from the anchor's result."""
        assert self.anchor is not None
        reached = {self.anchor.result.name}
        for other in self.body:
            if reached & {value.name for value in data_operands(other)}:
                reached.add(other.result.name)
        return apply.result.name in reached

    @cached_property
    def read(self) -> frozenset[str]:
        """Names of the formal values of which elements are read."""
        return frozenset(value.name for apply in self.body for value in data_operands(apply)) | {self.result.name}

    @cached_property
    def in_place(self) -> frozenset[str]:
        """Results of copying operations that the exchange writes where they are read: nothing else precedes them."""
        copied = {value.name for value in self.inputs}
        written: set[str] = set()
        for apply in self.body:
            if is_copy_like(apply.op) and all(value.name in copied for value in data_operands(apply)):
                copied.add(apply.result.name)
                written.add(apply.result.name)
        return frozenset(written)

    @property
    def shape_only(self) -> frozenset[int]:  # type: ignore[override]
        return frozenset(i for i, value in enumerate(self.inputs) if value.name not in self.read)

    @property
    def counted(self) -> bool:  # type: ignore[override]
        return any(apply.op.counted for apply in self.body)

    @property
    def pointwise(self) -> bool:  # type: ignore[override]
        return all(apply.op.pointwise for apply in self.body)

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        formals = self.inputs + self.params
        for position, (type, formal) in enumerate(zip(operands, formals, strict=True)):
            if type != formal.type:
                raise RuleError(f"kernel `{self.label}` takes {formal.type}, not {type}", position)
        return (self.result.tensor,)

    def macs(self, *operands: TensorType) -> int:  # noqa: ARG002  the formals have these types
        return sum(apply.op.macs(*(value.tensor for value in apply.values)) for apply in self.body)

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        values = {formal.name: array for formal, array in zip(self.inputs + self.params, operands, strict=True)}
        for apply in self.body:
            arrays = (
                values[value.name] if value.name in values else self._shaped(value, operands[0])
                for value in apply.values
            )
            (values[apply.result.name],) = evaluate(apply.op, arrays, [apply.result.tensor])
        return (values[self.result.name],)

    def _shaped(self, value: Value, first: Array) -> Array:
        """A placeholder for a value of which only the shape is read."""
        assert value.name not in self.read, value
        same = value.tensor.dtype == self.inputs[0].tensor.dtype
        dtype = first.dtype if same else np.dtype(NUMPY_NAMES[value.tensor.dtype])
        return np.broadcast_to(np.zeros((), dtype), (first.shape[0], *value.tensor.shape))

    def attributes(self) -> dict[str, Any]:
        return {"label": self.label, "ops": tuple(apply.op.name for apply in self.body)}


def copy_kernel(type: TensorType, label: str = "copy") -> Kernel:
    """The kernel whose result is its input, in a buffer of its own."""
    formal = Value("x0", type)
    return Kernel(label, (), (formal,), (), formal)
