"""Adaptive halting in NumPy: running positions, results of the carries, and numbers of iterations."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from itc.ir.net import Halt
from itc.ir.op import Array
from itc.records import dataclass


@dataclass
class Halting:
    """The halting state of one loop for a batch; all arrays are [batch, *score shape].

    All is computed in the precision of the scores, limits rounded to it, in the order of PyTorch's modules: so both
    halt in the same iteration where a score or a sum meets a limit exactly.

    Under `act` (Graves 2016, equations 5 to 9), a position halts when its scores sum to 1 - epsilon or more, or in the
    last iteration; the weight of that iteration is the remainder to 1, of the others their scores.
    """

    halt: Halt
    last: int
    running: Array = field(init=False)
    total: Array = field(init=False)
    iterations: Array = field(init=False)
    remainder: Array = field(init=False)
    sums: list[Array] = field(default_factory=list)

    def step(self, score: Array, before: list[Array], after: list[Array], iteration: int) -> list[Array]:
        """The carries of the next iteration: `after` at running positions, `before` at halted ones."""
        if iteration == 1:
            self.running = np.ones(score.shape, bool)
            self.total = self.iterations = self.remainder = np.zeros_like(score)
        was_running = self.running
        self.iterations = self.iterations + was_running.astype(score.dtype)
        if self.halt.kind == "act":
            weight = self._weigh(score, was_running, iteration)
            added = [spread(weight, carry) * carry for carry in after]
            self.sums = [a + b for a, b in zip(self.sums, added, strict=True)] if self.sums else added
        else:
            limit = score.dtype.type(self.halt.limit)
            passed = score > limit if self.halt.kind == "above" else score < limit
            self.running = was_running & ~passed
        return [np.where(spread(was_running, new), new, old) for old, new in zip(before, after, strict=True)]

    def _weigh(self, score: Array, was_running: Array, iteration: int) -> Array:
        """The weight of this iteration, and the positions that continue."""
        one, bound = score.dtype.type(1), score.dtype.type(1 - self.halt.limit)
        left = one - self.total
        counted = np.where(was_running, score, np.zeros_like(score))
        self.total = self.total + counted
        halts = was_running & ((self.total >= bound) | (iteration == self.last))
        self.remainder = np.where(halts, left, self.remainder)
        self.running = was_running & ~halts
        return np.where(halts, left, counted)

    def carries(self, last: list[Array]) -> list[Array]:
        """The results of the loop: under `act` weighted sums of floats, in the carry's type, else the final carries."""
        if self.halt.kind != "act":
            return last
        floats = (np.issubdtype(carry.dtype, np.floating) for carry in last)
        pairs = zip(self.sums, last, floats, strict=True)
        return [total.astype(carry.dtype) if is_float else carry for total, carry, is_float in pairs]

    def results(self) -> list[Array]:
        """The numbers of iterations and, under `act`, the remainders."""
        return [self.iterations, self.remainder] if self.halt.kind == "act" else [self.iterations]


def spread(score: Array, carry: Array) -> Array:
    """`score` with trailing axes added, so that it broadcasts over `carry`: axes are aligned from the first."""
    return score.reshape(score.shape + (1,) * (carry.ndim - score.ndim))
