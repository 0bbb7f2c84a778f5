"""Costs of a net by the definitions of the ItNet paper (section II-C): in total, and up to each of its outputs.

Graph size and latency cover convolutions only, as in the paper; MACs cover all matrix multiplications. Batch 1:

- parameters: elements of all sets of all trained parameters, norms included; bytes are those of all parameters;
- MACs: multiply-accumulates of all executions up to and including an output;
- graph size: sum over the unique nodes of the bytes of parameters + input map + output map. A node in a loop counts
  once if its weights are shared, else once for each parameter set;
- latency: convolutions on the longest path from the input to the output;
- state: largest sum of the bytes of a loop's carries and those of its enclosing loops;
- peak activation memory: see `itc.analysis.liveness`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict
from functools import reduce
from importlib import import_module
from itertools import chain
from typing import Any

import numpy as np

from itc.analysis.cost_tables import outputs, totals
from itc.analysis.depth import longest_paths
from itc.analysis.liveness import peak_bytes
from itc.analysis.program_points import Counts, Points, Run, params_read, phases, runs_of, starts
from itc.ir.net import Apply, Emit, Loop, Net, Output, Statement, Value, children
from itc.ir.precision import precision
from itc.records import dataclass
from itc.units import size_text


@dataclass(frozen=True, slots=True)
class OutputCost:
    """The costs up to and including one output."""

    label: str
    macs: int
    params: int
    graph_bytes: int
    latency: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of a net for one image; `param_bytes`, of all parameters, and the other `_bytes` are bytes."""

    net: str
    precision: str
    params: int
    param_bytes: int
    macs: int
    graph_bytes: int
    latency: int
    state_bytes: int
    peak_bytes: int
    outputs: tuple[OutputCost, ...]

    def json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; the keys are stable."""
        return asdict(self)

    def __repr__(self) -> str:
        figures = f"{self.params:,} parameters, {self.macs:,} MACs, graph {size_text(self.graph_bytes)}"
        return f"<Cost of {self.net}: {figures}, latency {self.latency}, {len(self.outputs)} outputs>"

    def _repr_html_(self) -> str:
        from itc.html import html  # noqa: PLC0415 -- for notebooks

        return html(totals(self)) + html(outputs(self))

    def frame(self) -> Any:
        """A pandas frame with a row for each output, by its label. Raises ImportError without pandas."""
        pandas = import_module("pandas")  # for notebooks; not a requirement
        return pandas.DataFrame([asdict(output) for output in self.outputs]).set_index("label")


def cost(net: Net) -> Cost:
    """The costs of `net`; the time depends on the size of the program and its exits, not on its iterations."""
    spent = _Spent(net)
    exits = [(label, spent.point(output, at)) for output in net.outputs for label, at in _labelled(output)]
    points = np.array([point for _, point in exits], np.int64)
    paths = longest_paths(net, lambda apply: float(apply.op.counted))
    points, indices = np.unique(points, return_inverse=True)
    counts = (spent.macs(points), spent.params(points), spent.graph_bytes(points))
    columns = ([column[index] for index in indices] for column in counts)
    outputs = tuple(
        OutputCost(label, macs, params, graph, paths[label])
        for (label, _), macs, params, graph in zip(exits, *columns, strict=True)
    )
    end = np.array(spent.starts[-1:])
    return Cost(
        net=net.name,
        precision=precision(net),
        params=sum(param.size for param in net.params if param.learned),
        param_bytes=sum(param.bytes for param in net.params),
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
    """An emit, the series of its yields, and the phase, of the loop's `phases`, that it ends."""

    emit: Emit
    series: tuple[Value, ...]
    phase: int
    phases: int


def _exits(loop: Loop) -> list[_Exit]:
    count = len(phases(loop))
    return [_Exit(emit, series, phase, count) for phase, (emit, series) in enumerate(loop.collected)]


class _Spent:
    """Costs of a net up to program points (see `itc.analysis.program_points`)."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.starts = starts(net.body)
        self.runs = [runs_of(statement, start) for start, statement in zip(self.starts, net.body, strict=False)]
        makers = ((s, i) for i, s in enumerate(net.body) if not isinstance(s, Emit))
        self.maker = {value.name: i for s, i in makers for value in s.results}
        loops = (s for s in net.body if isinstance(s, Loop))
        self.exits = {value.name: exit for loop in loops for exit in _exits(loop) for value in exit.series}

    def point(self, output: Output, at: int | None) -> int:
        """The program point at which an output is available: the end of its defining statement, or of its emit."""
        if output.value.name not in self.maker:
            return 0
        at_statement = self.maker[output.value.name]
        maker = self.net.body[at_statement]
        if at is None or output.at is None or not isinstance(maker, Loop):
            return self.starts[at_statement + 1]
        exit = self.exits[output.value.name]
        iteration = exit.emit.iterations.numbers[output.at.rank(at)]
        return self.starts[at_statement] + (iteration - 1) * exit.phases + exit.phase + 1

    def macs(self, points: Points) -> list[int]:
        def macs(run: Run) -> int:
            return run.reached.apply.op.macs(*self.net.operand_types(run.reached.apply))

        return self._total(lambda run: id(run.reached.reach), macs, Run.times, points)

    def params(self, points: Points) -> list[int]:
        return list(params_read(self.net, chain.from_iterable(self.runs), points))

    def graph_bytes(self, points: Points) -> list[int]:
        def alike(run: Run) -> Hashable:
            return id(run.reached.reach), *{ref.index for ref in run.reached.apply.refs}

        def size(run: Run) -> int:
            apply = run.reached.apply
            return node_bytes(self.net, apply) if apply.op.counted else 0

        return self._total(alike, size, nodes, points)

    def _total(
        self,
        alike: Callable[[Run], Hashable],
        each: Callable[[Run], int],
        often: Callable[[Run, Points], Counts],
        points: Points,
    ) -> list[int]:
        """The sum of `each` x `often` over all runs up to each of `points`; runs with equal `alike` have equal `often`.

        It adds the totals of complete statements and the partial total of the statement at the point.
        """
        within = np.searchsorted(self.starts, points, "left") - 1
        out, before = np.zeros(len(points), object), 0
        for at, (end, runs) in enumerate(zip(self.starts[1:], self.runs, strict=True)):
            here = np.flatnonzero(within == at)
            asked = np.append(points[here], end)
            total = np.zeros(len(asked), object)
            for run, size in _grouped(runs, alike, each):
                total = total + often(run, asked) * size
            out[here], before = total[:-1] + before, before + total[-1]
        return list(out)


def _grouped(
    runs: Iterable[Run], alike: Callable[[Run], Hashable], each: Callable[[Run], int]
) -> Iterable[tuple[Run, int]]:
    """A representative run of each group, and the sum of `each` over the group."""
    groups: dict[Hashable, tuple[Run, int]] = {}
    for run in runs:
        if size := each(run):
            key = alike(run)
            first, sum_before = groups.get(key, (run, 0))
            groups[key] = first, sum_before + size
    return groups.values()


def nodes(run: Run, points: Points) -> Counts:
    """Number of unique nodes of an operation up to each of `points`: one per parameter set."""
    sets = [run.sets(ref, points) for ref in run.reached.apply.refs]
    return reduce(np.maximum, sets) if sets else np.minimum(run.times(points), 1)


def node_bytes(net: Net, apply: Apply) -> int:
    """Bytes of one node: one parameter set, its inputs and its outputs."""
    params = sum(net.ref_type(ref).bytes for ref in apply.refs)
    return params + sum(value.type.bytes for value in (*apply.values, *apply.results))


def _state_bytes(statements: tuple[Statement, ...]) -> int:
    """The largest sum of carry bytes over nested loops."""
    return max((_carried(statement) for statement in statements), default=0)


def _carried(statement: Statement) -> int:
    own = sum(c.inner.type.bytes for c in statement.carries) if isinstance(statement, Loop) else 0
    return own + max((_state_bytes(body.statements) for body in children(statement)), default=0)
