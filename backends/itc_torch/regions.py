"""Loops and regions as modules: each holds the graphs of its bodies and no tensor; what they read are arguments.

So the parameters of a rolled module live in its root alone, under their own keys, however deep they are read.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from torch import Tensor, nn

from itc.ir import IterationSet

Values = tuple[Any, ...]
Step = dict[int, Tensor]
"""What one iteration adds to the series of a loop, by the series' position among them."""


class InTraining(nn.Module):
    """Whether the module around it is in training mode: what `self.training` is to written code."""

    def forward(self) -> bool:
        return self.training


class Loop(nn.Module):
    """`count` iterations of `body`, a graph of (iteration, *carries, *elements, *captured) to (carries, emitted).

    `emitted` has for each emit its values, `widths` many, or None. The result is one tuple: the last carries, then each
    series as a tuple.
    """

    def __init__(self, body: nn.Module, count: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.body = body
        self.count = count
        self.widths = widths

    def forward(self, carried: Values, walked: tuple[Values, ...], captured: Values) -> Values:
        steps = self.steps(carried, walked, captured)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                result: Values = stop.value
                return result

    def steps(self, carried: Values, walked: tuple[Values, ...], captured: Values) -> Generator[Step, None, Values]:
        """Runs one iteration at each `next`, hands out what it adds to the series, and returns the loop's results."""
        series: list[list[Tensor]] = [[] for _ in range(sum(self.widths))]
        for iteration in range(1, self.count + 1):
            elements = (values[iteration - 1] for values in walked)
            carried, emitted = self.body(iteration, *carried, *elements, *captured)
            step = self.step(emitted)
            for position, value in step.items():
                series[position].append(value)
            yield step
        return (*carried, *map(tuple, series))

    def step(self, emitted: tuple[Values | None, ...]) -> Step:
        first = 0
        added: Step = {}
        for width, values in zip(self.widths, emitted, strict=True):
            added |= enumerate(values or (), start=first)
            first += width
        return added

    def extra_repr(self) -> str:
        return f"count={self.count}"


class When(nn.Module):
    """Runs `body` in the iterations of `iterations`, `otherwise` in all others, each on what it captured."""

    def __init__(self, iterations: IterationSet, body: nn.Module, otherwise: nn.Module) -> None:
        super().__init__()
        self.iterations = iterations
        self.body = body
        self.otherwise = otherwise

    def forward(self, iteration: int, for_body: Values, for_otherwise: Values) -> Values:
        result: Values = self.body(*for_body) if iteration in self.iterations else self.otherwise(*for_otherwise)
        return result

    def extra_repr(self) -> str:
        return f"iterations={self.iterations}"


class Emit(nn.Module):
    """Runs `body` in the iterations of `iterations`; gives None in all others."""

    def __init__(self, iterations: IterationSet, body: nn.Module) -> None:
        super().__init__()
        self.iterations = iterations
        self.body = body

    def forward(self, iteration: int, *captured: Any) -> Values | None:
        result: Values | None = self.body(*captured) if iteration in self.iterations else None
        return result

    def extra_repr(self) -> str:
        return f"iterations={self.iterations}"
