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
"""What an emit adds to the series of a loop, by the series' position among them."""
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

    def forward(self, carried: Values, walked: tuple[Values, ...], captured: Values) -> Values:
        series: list[list[Tensor]] = [[] for _ in range(sum(self.widths))]
        for iteration in range(1, self.count + 1):
            carried, emitted = self.body(*self.arguments(iteration, carried, walked, captured))
            for emit, values in enumerate(emitted):
                for position, value in self.added(emit, values).items():
                    series[position].append(value)
        return (*carried, *map(tuple, series))

    def arguments(self, iteration: int, carried: Values, walked: tuple[Values, ...], captured: Values) -> Values:
        """The arguments of the body in an iteration."""
        return (iteration, *carried, *(elements[iteration - 1] for elements in walked), *captured)

    def added(self, emit: int, values: Values | None) -> Step:
        """What an emit, by its number in the body, adds to the series where it yields `values`."""
        return dict(enumerate(values or (), start=sum(self.widths[:emit])))

    def extra_repr(self) -> str:
        return f"count={self.count}"


class HaltingLoop(Loop):
    """At most `count` iterations: at inference as many as the slowest image takes, in training all of them.

    `body` gives its score behind what a loop's gives, and the last argument makes of the scores what the loop hands
    out. In training the iterations that no image needs run as well, so that every set of a norm sees its images; if
    `masked` they always run, so that what is run does not depend on values.
    """

    def __init__(self, body: nn.Module, count: int, widths: tuple[int, ...], masked: bool = False) -> None:
        super().__init__(body, count, widths)
        self.masked = masked

    def forward(self, carried: Values, walked: tuple[Values, ...], captured: Values, *halts: Halting) -> Values:
        (halting,) = halts
        for iteration in range(1, self.count + 1):
            after, _, score = self.body(*self.arguments(iteration, carried, walked, captured))
            carried = halting.step(iteration, score, carried, after)
            if not (self.masked or self.training or bool(halting.running.any())):
                break
        return halting.results(carried)


def contains(runs: tuple[range, ...], iteration: int) -> bool:
    """Whether one of the ascending `runs` has an iteration, in Python that `torch.compile` follows, by halves."""
    first, last = 0, len(runs)
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if runs[middle].start <= iteration else (first, middle)
    return last > first and iteration in runs[first]


class When(nn.Module):
    """Runs `body` in the iterations of `iterations`, `otherwise` in all others, each on what it captured."""

    def __init__(self, iterations: IterationSet, body: nn.Module, otherwise: nn.Module) -> None:
        super().__init__()
        self.iterations = iterations
        self.body = body
        self.otherwise = otherwise

    def forward(self, iteration: int, for_body: Values, for_otherwise: Values) -> Values:
        chosen = contains(self.iterations.runs, iteration)
        result: Values = self.body(*for_body) if chosen else self.otherwise(*for_otherwise)
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
        result: Values | None = self.body(*captured) if contains(self.iterations.runs, iteration) else None
        return result

    def extra_repr(self) -> str:
        return f"iterations={self.iterations}"
