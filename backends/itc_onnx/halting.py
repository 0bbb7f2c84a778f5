"""The state of a loop that halts, as `itc.halting` computes it: masks, sums, and the loop's condition.

A sample that has halted keeps its carries by masks until all samples of the batch have; then the loop ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, ValueInfoProto

from itc.ir.net import Loop, Net
from itc.ir.types import FLOATS, TensorType, Type
from itc_onnx.graph import ELEMENTS, Graph, value_info

RUNNING, TOTAL, ITERATIONS, REMAINDER = range(4)


@dataclass
class Halting:
    """Halting state as carries of a `Loop`: running, total, iterations, remainder, and a sum for each float carry."""

    loop: Loop
    graph: Graph
    net: Net
    names: list[str]

    @classmethod
    def of(cls, loop: Loop, graph: Graph, net: Net) -> Halting:
        halting = cls(loop, graph, net, [])
        halting.names = [graph.fresh("halting") for _ in halting.types()]
        return halting

    @property
    def score(self) -> TensorType:
        assert self.loop.halt is not None
        return self.loop.halt.score.tensor

    @property
    def adaptive(self) -> bool:
        """Whether the results are sums of the carries of all iterations."""
        return self.loop.halt is not None and self.loop.halt.kind == "act"

    @property
    def summed(self) -> list[int]:
        """Positions of the carries whose results are sums."""
        carries = enumerate(self.loop.carries)
        return [at for at, carry in carries if self.adaptive and carry.inner.tensor.dtype in FLOATS]

    def types(self) -> list[TensorType]:
        """Types of the state, in order; none for a loop that does not halt."""
        if self.loop.halt is None:
            return []
        sums = [self.loop.carries[at].inner.tensor for at in self.summed]
        return [TensorType("bool", self.score.shape), self.score, self.score, self.score, *sums]

    def initial(self) -> list[str]:
        """Everything runs; the rest is zero."""
        graph, out = self.graph, list[str]()
        for position, type in enumerate(self.types()):
            batch = graph("Slice", graph("Shape", f"%{self.net.inputs[0].name}"), graph.integers(0), graph.integers(1))
            shape = graph("Concat", batch, graph.integers(*type.shape), axis=0) if type.shape else batch
            out.append(graph("Expand", graph.number(position == RUNNING, type.dtype), shape))
        return out

    def infos(self) -> list[ValueInfoProto]:
        return [value_info(name, type) for name, type in zip(self.names, self.types(), strict=True)]

    def step(
        self, before: list[str], after: list[str], iteration: str, named: Callable[[str], str]
    ) -> tuple[str, list[str], list[tuple[str, Type]]]:
        """The condition to go on, the carries of the next iteration, and the next state with its types."""
        graph, halt = self.graph, self.loop.halt
        if halt is None:
            return graph.constant(np.asarray(True)), after, []
        was_running, score = self.names[RUNNING], named(halt.score.name)
        counted = graph("Cast", was_running, to=ELEMENTS[self.score.dtype])
        state = list(self.names)
        state[ITERATIONS] = graph("Add", self.names[ITERATIONS], counted)
        if halt.kind == "act":
            self._weigh(state, score, after, iteration)
        else:
            passed = graph("Greater" if halt.kind == "above" else "Less", score, self._number(halt.limit))
            state[RUNNING] = graph("And", was_running, graph("Not", passed))
        carried = [
            graph("Where", self._spread(was_running, at), new, old)
            for at, (old, new) in enumerate(zip(before, after, strict=True))
        ]
        any_running = graph("ReduceMax", graph("Cast", state[RUNNING], to=TensorProto.INT32), keepdims=0)
        return graph("Cast", any_running, to=TensorProto.BOOL), carried, [*zip(state, self.types(), strict=True)]

    def _weigh(self, state: list[str], score: str, after: list[str], iteration: str) -> None:
        """Graves 2016, equations 5 to 9: sums weighted by the scores, the last by the remainder to 1."""
        graph, was_running, total = self.graph, self.names[RUNNING], self.names[TOTAL]
        assert self.loop.halt is not None
        rest = graph("Sub", self._number(1), total)
        counted = graph("Where", was_running, score, self._number(0))
        state[TOTAL] = graph("Add", total, counted)
        reached = graph("GreaterOrEqual", state[TOTAL], self._number(1 - self.loop.halt.limit))
        last = graph("Equal", iteration, graph.integer(self.loop.count - 1))
        halts = graph("And", was_running, graph("Or", reached, last))
        state[REMAINDER] = graph("Where", halts, rest, self.names[REMAINDER])
        state[RUNNING] = graph("And", was_running, graph("Not", halts))
        weight = graph("Where", halts, rest, counted)
        for slot, at in enumerate(self.summed, start=REMAINDER + 1):
            added = graph("Mul", self._spread(weight, at), after[at])
            state[slot] = graph("Add", self.names[slot], added)

    def _number(self, value: float) -> str:
        return self.graph.number(value, self.score.dtype)

    def _spread(self, score: str, carry: int) -> str:
        """A tensor of the score's shape with axes of size 1 behind, up to the rank of a carry."""
        missing = len(self.loop.carries[carry].inner.tensor.shape) - len(self.score.shape)
        return self.graph.reshape(score, 0, *self.score.shape, *(1,) * missing) if missing else score

    def carries(self, last: list[str], state: list[str]) -> list[str]:
        """The results of the carries: sums under `act`, else the last."""
        out = list(last)
        for slot, at in enumerate(self.summed, start=REMAINDER + 1):
            out[at] = state[slot]
        return out

    def results(self, state: list[str]) -> list[str]:
        """The numbers of iterations and, under `act`, the remainders."""
        return state[ITERATIONS : ITERATIONS + self.loop.halt_count]
