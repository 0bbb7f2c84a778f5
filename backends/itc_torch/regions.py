"""Loops and regions as modules: each holds the graphs of its bodies and no tensor; what they read are arguments.

So the parameters of a rolled module live in its root alone, under their own keys, however deep they are read.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from torch import Tensor, nn

from itc.ir import IterationSet
from itc_torch.halting import Halting

Values = tuple[Any, ...]
Step = dict[int, Tensor]
"""What one iteration adds to the series of a loop, by the series' position among them."""
Steps = Generator[Step, None, Values]


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

    def forward(self, carried: Values, walked: tuple[Values, ...], captured: Values, *halts: Halting) -> Values:
        steps = self.steps(carried, walked, captured, *halts)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                result: Values = stop.value
                return result

    def steps(self, carried: Values, walked: tuple[Values, ...], captured: Values, *halts: Halting) -> Steps:
        """Runs one iteration at each `next`, hands out what it adds to the series, and returns the loop's results."""
        assert not halts, "this loop runs all its iterations"
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


class HaltingLoop(Loop):
    """At most `count` iterations: at inference as many as the slowest image takes, in training all of them.

    `body` gives its score behind what a loop's gives, and the last argument makes of the scores what the loop hands
    out. In training the iterations that no image needs run as well, so that every set of a norm sees its images.
    """

    def steps(self, carried: Values, walked: tuple[Values, ...], captured: Values, *halts: Halting) -> Steps:
        (halting,) = halts
        for iteration in range(1, self.count + 1):
            elements = (values[iteration - 1] for values in walked)
            after, _, score = self.body(iteration, *carried, *elements, *captured)
            carried = halting.step(iteration, score, carried, after)
            yield {}
            if not (self.training or bool(halting.running.any())):
                break
        return halting.results(carried)


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
