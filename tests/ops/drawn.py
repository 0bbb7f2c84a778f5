"""A drawn operation with its operands and their values, and the random values of one draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from itc.ir import Layer, Net, Op, Output, Param, TensorType, verify
from itc.ir.builder import Builder
from itc.ir.op import Array

Draw = Callable[[st.SearchStrategy[Any]], Any]
BATCH = 2


@dataclass(frozen=True)
class Drawn:
    """An operation with its operands: tensors [batch, ...] first, then parameters without a batch."""

    op: Op
    types: tuple[TensorType, ...]
    arrays: tuple[Array, ...]
    tensors: int

    @property
    def results(self) -> tuple[TensorType, ...]:
        return self.op.result_types(*self.types)

    def evaluate(self) -> Array:
        (result,) = self.op.evaluate(*self.arrays)
        return result

    def net(self) -> tuple[Net, dict[str, Array], dict[str, Array]]:
        """The net of this one operation, its inputs and its weights."""
        builder = Builder("one")
        named = [f"x{i}" for i in range(len(self.types))]
        operands: list[Any] = [builder.input(n, t) for n, t in zip(named[: self.tensors], self.types, strict=False)]
        for name, type in zip(named[self.tensors :], self.types[self.tensors :], strict=True):
            operands.append(builder.param(Param(f"layer.{name}", type, "weight", "normal")))
        result = builder.apply(self.op, operands)
        net = verify(builder.net([Output("y", result)]))
        arrays = dict(zip(named, self.arrays, strict=True))
        weights = {f"layer.{name}": arrays[name] for name in named[self.tensors :]}
        return net, {name: arrays[name] for name in named[: self.tensors]}, weights


class Values:
    """Draws sizes, and values of a kind, from one seed."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    def number(self, least: int, most: int) -> int:
        return int(self.draw(st.integers(least, most)))

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self) -> bool:
        return bool(self.draw(st.booleans()))

    def normal(self, shape: Sequence[int]) -> Array:
        return self.rng.normal(size=shape).astype(np.float32)

    def positive(self, shape: Sequence[int]) -> Array:
        return self.rng.uniform(0.1, 3, size=shape).astype(np.float32)

    def map(self, channels: int | None = None, least: int = 1) -> TensorType:
        """A map, at times with an axis of regions in front."""
        regions = (self.number(1, 3),) if self.number(0, 3) == 3 else ()
        sizes = (self.number(least, 9), self.number(least, 9))
        return TensorType("f32", (*regions, channels or self.number(1, 6), *sizes))

    def tokens(self, channels: int | None = None) -> TensorType:
        return TensorType("f32", (self.number(1, 6), channels or self.number(1, 6)))

    def vector(self, channels: int | None = None) -> TensorType:
        return TensorType("f32", (channels or self.number(1, 6),))

    def any(self) -> TensorType:
        return self.pick(self.map, self.tokens, self.vector)()

    def pair(self, least: int, most: int) -> tuple[int, int]:
        return self.number(least, most), self.number(least, most)


def drawn(values: Values, layer: Layer, types: Sequence[TensorType], *arrays: Array, positive: bool = False) -> Drawn:
    """An operation with random operands, but for those given first."""
    make = values.positive if positive else values.normal
    operands = list(arrays)
    operands += [make((BATCH, *type.shape)) for type in types[len(arrays) :]]
    params = [TensorType("f32", spec.shape) for spec in layer.params]
    kinds = {"var": values.positive, "scale": values.positive}
    operands += [kinds.get(spec.role, values.normal)(spec.shape) for spec in layer.params]
    return Drawn(layer.op, (*types, *params), tuple(operands), len(types))
