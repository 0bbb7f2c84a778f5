"""Adaptive halting in NumPy: which places go on, what their carries become, and how long each has run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from itc.ir.net import Halt
from itc.ir.op import Array


@dataclass
class Halting:
    """One loop's halting for a batch; `score` and all that follows it are arrays [batch, *score shape].

    Under `act` (Graves 2016, equations 5 to 9): a place halts when its scores sum to 1 - epsilon or more, or in the
    last iteration; that iteration's weight is the remainder to 1, the others' their scores.
    """

    halt: Halt
    last: int
    running: Array = field(default_factory=lambda: np.ones((), bool))
    total: Array = field(default_factory=lambda: np.zeros(()))
    iterations: Array = field(default_factory=lambda: np.zeros(()))
    remainder: Array = field(default_factory=lambda: np.zeros(()))
    sums: list[Array] = field(default_factory=list)

    def step(self, score: Array, before: list[Array], after: list[Array], iteration: int) -> list[Array]:
        """The carries for the next iteration: `after` where a place was still running, `before` where it had halted."""
        was_running = np.broadcast_to(self.running, score.shape)
        self.iterations = self.iterations + was_running.astype(score.dtype)
        if self.halt.kind == "act":
            weight = self._weigh(score, was_running, iteration)
            added = [spread(weight, carry) * carry for carry in after]
            self.sums = [a + b for a, b in zip(self.sums, added, strict=True)] if self.sums else added
        else:
            passed = score > self.halt.limit if self.halt.kind == "above" else score < self.halt.limit
            self.running = was_running & ~passed
        return [np.where(spread(was_running, new), new, old) for old, new in zip(before, after, strict=True)]

    def _weigh(self, score: Array, was_running: Array, iteration: int) -> Array:
        """The weight of this iteration, and who goes on after it."""
        total = self.total + np.where(was_running, score, 0)
        halts = was_running & ((total >= 1 - self.halt.limit) | (iteration == self.last))
        left = np.asarray(1 - self.total, score.dtype)
        self.remainder = np.where(halts, left, self.remainder).astype(score.dtype)
        self.total = total.astype(score.dtype)
        self.running = was_running & ~halts
        return np.where(halts, left, np.where(was_running, score, 0)).astype(score.dtype)

    def carries(self, last: list[Array]) -> list[Array]:
        """What the loop returns: the weighted sums of floats under `act`, else the carries as they are at the end."""
        if self.halt.kind != "act":
            return last
        floats = (np.issubdtype(carry.dtype, np.floating) for carry in last)
        return [total if is_float else carry for total, carry, is_float in zip(self.sums, last, floats, strict=True)]

    def results(self) -> list[Array]:
        """The iterations taken and, under `act`, the remainders."""
        return [self.iterations, self.remainder] if self.halt.kind == "act" else [self.iterations]


def spread(score: Array, carry: Array) -> Array:
    """`score` with axes behind it, so that it broadcasts over `carry`: axes are aligned from the first."""
    return score.reshape(score.shape + (1,) * (carry.ndim - score.ndim))
