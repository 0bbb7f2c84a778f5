"""Loops that halt: who goes on after an iteration, and what the carries become; emitted modules hold this text.

Values are those of `itc.halting`, and gradients flow through scores and remainders, never through who halts.
"""

from __future__ import annotations

from inspect import getsource

import torch
from torch import Tensor

from itc.ir import Loop, Net, walk
from itc_torch.expressions import TRAINING, Call, call


class AdaptiveTime:
    """Adaptive computation time (Graves 2016): halts where scores sum to `bound`.

    What has halted is frozen. Carries leave as the sum of their states, each weighted
    by its score, the last by the remainder to 1. Scores are [batch, ...]; their axes
    are those of every carry, from the first on, or 1.
    """

    def __init__(self, bound: float, last: int) -> None:
        self.bound = bound
        self.last = last

    def step(
        self,
        t: int,
        score: Tensor,
        before: tuple[Tensor, ...],
        after: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        """The carries behind iteration `t`."""
        if t == 1:
            self.running = torch.ones_like(score, dtype=torch.bool)
            self.total = self.iterations = self.remainder = torch.zeros_like(score)
            self.sums = tuple(torch.zeros_like(new) for new in after)
        was_running, left = self.running, 1 - self.total
        counted = torch.where(was_running, score, torch.zeros_like(score))
        self.iterations = self.iterations + was_running.to(score.dtype)
        self.total = self.total + counted
        halts = was_running if t == self.last else was_running & (self.total >= self.bound)
        self.remainder = torch.where(halts, left, self.remainder)
        self.running = was_running & ~halts
        weight = torch.where(halts, left, counted)
        self.sums = tuple(total + self.over(weight, new) * new for total, new in zip(self.sums, after, strict=True))
        return tuple(torch.where(self.over(was_running, new), new, old) for old, new in zip(before, after, strict=True))

    def over(self, score: Tensor, carry: Tensor) -> Tensor:
        return score.reshape(score.shape + (1,) * (carry.dim() - score.dim()))

    def results(self, carries: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the loop hands out: carries, iterations taken, remainders."""
        pairs = zip(carries, self.sums, strict=True)
        weighted = (new.to(old) if new.is_floating_point() else old for old, new in pairs)
        return (*weighted, self.iterations, self.remainder)


class Threshold:
    """Halts where the score passes `limit`; in training nothing halts.

    What has halted is frozen. Scores are [batch, ...]; their axes are those of every
    carry, from the first on, or 1.
    """

    def __init__(self, limit: float, above: bool, training: bool) -> None:
        self.limit = limit
        self.above = above
        self.training = training

    def step(
        self,
        t: int,
        score: Tensor,
        before: tuple[Tensor, ...],
        after: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        """The carries behind iteration `t`."""
        if t == 1:
            self.running = torch.ones_like(score, dtype=torch.bool)
            self.iterations = torch.zeros_like(score)
        was_running = self.running
        self.iterations = self.iterations + was_running.to(score.dtype)
        if not self.training:
            passed = score > self.limit if self.above else score < self.limit
            self.running = was_running & ~passed
        return tuple(torch.where(self.over(was_running, new), new, old) for old, new in zip(before, after, strict=True))

    def over(self, score: Tensor, carry: Tensor) -> Tensor:
        return score.reshape(score.shape + (1,) * (carry.dim() - score.dim()))

    def results(self, carries: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the loop hands out: carries and iterations taken."""
        return (*carries, self.iterations)


Halting = AdaptiveTime | Threshold


def halting_of(loop: Loop) -> Call:
    """The expression that makes the halting of a loop, fresh for each run of it."""
    assert loop.halt
    if loop.halt.kind == "act":
        return call(AdaptiveTime, 1 - loop.halt.limit, loop.count)
    return call(Threshold, loop.halt.limit, loop.halt.kind == "above", TRAINING)


def halting_classes(net: Net) -> list[str]:
    """The text of the classes above that a net's loops need."""
    halts = [s.halt for s in walk(net.body) if isinstance(s, Loop) and s.halt]
    used = {AdaptiveTime if halt.kind == "act" else Threshold for halt in halts}
    return [getsource(kind).rstrip() for kind in (AdaptiveTime, Threshold) if kind in used]
