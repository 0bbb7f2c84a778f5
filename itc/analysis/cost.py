"""What a net costs by the definitions of the ItNet paper (section II-C): in total, and up to each of its outputs.

Graph size and latency are over convolutions alone, as in the paper; MACs are of whatever multiplies matrices. Batch 1:

- parameters: elements of all sets of all trained parameters, norms included;
- MACs: multiply-accumulates of everything that runs up to and including an output;
- graph size: over the unique nodes, bytes of (parameters + input map + output map). A node in a loop counts once, and
  once for each set of its weights where they are not shared: then each set is a node of its own;
- latency: convolutions on the longest path from the input to the output;
- state: bytes of the carries of the largest loop, the outer loops' with it;
- peak activation memory: see `itc.analysis.liveness`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np

from itc.analysis.depth import longest_paths
from itc.analysis.liveness import peak_bytes
from itc.analysis.moments import Counts, Moments, Run, params_read, phases, runs_of, starts
from itc.ir.net import Apply, Emit, Loop, Net, Output, Statement, Value, children


@dataclass(frozen=True, slots=True)
class OutputCost:
    """What the net has cost when it hands out one output."""

    label: str
    macs: int
    params: int
    graph_bytes: int
    latency: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of a net for one image; `graph_bytes`, `state_bytes` and `peak_bytes` are bytes."""

    net: str
    params: int
    macs: int
    graph_bytes: int
    latency: int
    state_bytes: int
    peak_bytes: int
    outputs: tuple[OutputCost, ...]

    def json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; the keys are stable."""
        return asdict(self)


def cost(net: Net) -> Cost:
    """The cost of `net`; takes time by the size of the program and by its exits, whatever its loops run."""
    spent = _Spent(net)
    exits = [(label, spent.moment(output, at)) for output in net.outputs for label, at in _labelled(output)]
    moments = np.array([moment for _, moment in exits], np.int64)
    paths = longest_paths(net, lambda apply: float(apply.op.counted))
    moments, places = np.unique(moments, return_inverse=True)
    counts = (spent.macs(moments), spent.params(moments), spent.graph_bytes(moments))
    columns = ([column[place] for place in places] for column in counts)
    outputs = tuple(
        OutputCost(label, macs, params, graph, paths[label])
        for (label, _), macs, params, graph in zip(exits, *columns, strict=True)
    )
    end = np.array(spent.starts[-1:])
    return Cost(
        net=net.name,
        params=sum(param.size for param in net.params if param.trained),
        macs=spent.macs(end)[0],
        graph_bytes=spent.graph_bytes(end)[0],
        latency=max(paths.values(), default=0),
        state_bytes=_state_bytes(net.body),
        peak_bytes=peak_bytes(net),
        outputs=outputs,
    )


def _labelled(output: Output) -> Iterable[tuple[str, int | None]]:
    return zip(output.labels, output.at or (None,), strict=True)


@dataclass(frozen=True, slots=True)
class _Exit:
    """An emit, the series that hold what it yields, and the phase of its loop's `phases` that it ends."""

    emit: Emit
    series: tuple[Value, ...]
    phase: int
    phases: int


def _exits(loop: Loop) -> list[_Exit]:
    count = len(phases(loop))
    return [_Exit(emit, series, phase, count) for phase, (emit, series) in enumerate(loop.collected)]


class _Spent:
    """What a net has spent by moments of its body (see `itc.analysis.moments`)."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.starts = starts(net.body)
        self.runs = [runs_of(statement, start) for start, statement in zip(self.starts, net.body, strict=False)]
        makers = ((s, i) for i, s in enumerate(net.body) if not isinstance(s, Emit))
        self.maker = {value.name: i for s, i in makers for value in s.results}
        loops = (s for s in net.body if isinstance(s, Loop))
        self.exits = {value.name: exit for loop in loops for exit in _exits(loop) for value in exit.series}

    def moment(self, output: Output, at: int | None) -> int:
        """The moment at which an output is there: when the statement that makes it ends, or its exit's emit."""
        if output.value.name not in self.maker:
            return 0
        at_statement = self.maker[output.value.name]
        maker = self.net.body[at_statement]
        if at is None or output.at is None or not isinstance(maker, Loop):
            return self.starts[at_statement + 1]
        exit = self.exits[output.value.name]
        iteration = exit.emit.iterations.numbers[output.at.rank(at)]
        return self.starts[at_statement] + (iteration - 1) * exit.phases + exit.phase + 1

    def macs(self, moments: Moments) -> list[int]:
        def macs(run: Run) -> int:
            return run.reached.apply.op.macs(*self.net.operand_types(run.reached.apply))

        return self._total(lambda run: id(run.reached.reach), macs, Run.times, moments)

    def params(self, moments: Moments) -> list[int]:
        return list(params_read(self.net, chain.from_iterable(self.runs), moments))

    def graph_bytes(self, moments: Moments) -> list[int]:
        def alike(run: Run) -> Hashable:
            return id(run.reached.reach), *{ref.index for ref in run.reached.apply.refs}

        def size(run: Run) -> int:
            apply = run.reached.apply
            return node_bytes(self.net, apply) if apply.op.counted else 0

        return self._total(alike, size, nodes, moments)

    def _total(
        self,
        alike: Callable[[Run], Hashable],
        each: Callable[[Run], int],
        often: Callable[[Run, Moments], Counts],
        moments: Moments,
    ) -> list[int]:
        """The sum of `each` x `often` over all runs by each of `moments`; those that are `alike` are as often.

        Of whole statements, and of part of the one that a moment lies in.
        """
        within = np.searchsorted(self.starts, moments, "left") - 1
        out, before = np.zeros(len(moments), object), 0
        for at, (end, runs) in enumerate(zip(self.starts[1:], self.runs, strict=True)):
            here = np.flatnonzero(within == at)
            asked = np.append(moments[here], end)
            total = np.zeros(len(asked), object)
            for run, size in _grouped(runs, alike, each):
                total = total + often(run, asked) * size
            out[here], before = total[:-1] + before, before + total[-1]
        return list(out)


def _grouped(
    runs: Iterable[Run], alike: Callable[[Run], Hashable], each: Callable[[Run], int]
) -> Iterable[tuple[Run, int]]:
    """One of the runs of each group, and the sum of `each` over the group."""
    found: dict[Hashable, tuple[Run, int]] = {}
    for run in runs:
        if size := each(run):
            key = alike(run)
            first, sum_before = found.get(key, (run, 0))
            found[key] = first, sum_before + size
    return found.values()


def nodes(run: Run, moments: Moments) -> Counts:
    """How many unique nodes an operation has been by each of `moments`: one for each set of its weights."""
    sets = [run.sets(ref, moments) for ref in run.reached.apply.refs]
    return reduce(np.maximum, sets) if sets else np.minimum(run.times(moments), 1)


def node_bytes(net: Net, apply: Apply) -> int:
    """Bytes of one node: one set of its parameters, its inputs and its outputs."""
    params = sum(net.ref_type(ref).bytes for ref in apply.refs)
    return params + sum(value.type.bytes for value in (*apply.values, *apply.results))


def _state_bytes(statements: tuple[Statement, ...]) -> int:
    """The most bytes of carries that are round a statement at once."""
    return max((_carried(statement) for statement in statements), default=0)


def _carried(statement: Statement) -> int:
    own = sum(c.inner.type.bytes for c in statement.carries) if isinstance(statement, Loop) else 0
    return own + max((_state_bytes(body.statements) for body in children(statement)), default=0)
