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

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from itc.analysis.depth import longest_paths
from itc.analysis.liveness import peak_bytes
from itc.analysis.reach import Reached, numbers, reached
from itc.ir.net import Apply, Emit, Loop, Net, Output, Param, ParamRef, Statement, children


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
    """The cost of `net`; takes time by the size of the program, whatever its loops run."""
    paths = longest_paths(net, lambda apply: float(apply.op.counted))
    whole = list(reached(net.body))
    return Cost(
        net=net.name,
        params=sum(param.size for param in net.params if param.trained),
        macs=_macs(net, whole),
        graph_bytes=_graph_bytes(net, whole),
        latency=max(paths.values(), default=0),
        state_bytes=_state_bytes(net.body),
        peak_bytes=peak_bytes(net),
        outputs=_output_costs(net, paths),
    )


def _output_costs(net: Net, paths: Mapping[str, int]) -> tuple[OutputCost, ...]:
    """The costs up to each output: all above the statement that makes it, and of a loop no more than to the exit."""
    makers = {v.name: at for at, s in enumerate(net.body) if not isinstance(s, Emit) for v in s.results}
    made: dict[int, list[Output]] = {}
    for output in net.outputs:
        made.setdefault(makers.get(output.value.name, len(net.body)), []).append(output)
    above, costs = _Above(net), dict[str, OutputCost]()
    for at, statement in enumerate((*net.body, None)):
        for output in made.get(at, ()):
            for label, exit in zip(output.labels, output.at or (None,), strict=True):
                costs[label] = above.and_then(label, _runs(statement, exit), paths[label])
        above.take(_runs(statement))
    return tuple(costs[label] for label in net.labels)


def _runs(statement: Statement | None, exit: int | None = None) -> list[Reached]:
    """What runs in a statement, a loop only to the exit."""
    if statement is None:
        return []
    limit = {statement.var: exit} if isinstance(statement, Loop) and exit is not None else {}
    return list(reached((statement,), until=limit))


class _Above:
    """The costs of the statements above a place: what adds up, and for each trained parameter who reads it."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.macs = self.graph_bytes = self.params = 0
        self.readers: dict[str, list[Reading]] = {}

    def and_then(self, label: str, runs: list[Reached], latency: int) -> OutputCost:
        """The costs when `runs` follow."""
        macs, graph_bytes = self.macs + _macs(self.net, runs), self.graph_bytes + _graph_bytes(self.net, runs)
        return OutputCost(label, macs, self.params + self._more(_readers(runs)), graph_bytes, latency)

    def take(self, runs: list[Reached]) -> None:
        readers = _readers(runs)
        self.macs += _macs(self.net, runs)
        self.graph_bytes += _graph_bytes(self.net, runs)
        self.params += self._more(readers)
        for key, found in readers.items():
            self.readers.setdefault(key, []).extend(found)

    def _more(self, readers: Mapping[str, list[Reading]]) -> int:
        """Elements of the sets that `readers` read and nothing above does."""
        more = 0
        for key, found in readers.items():
            param, before = self.net.param[key], self.readers.get(key, [])
            if param.trained:
                more += (_sets_read(param, before + found) - _sets_read(param, before)) * param.type.size
        return more


Reading = tuple[Reached, ParamRef]


def _readers(runs: Iterable[Reached]) -> dict[str, list[Reading]]:
    readers: dict[str, list[Reading]] = {}
    for run in runs:
        for ref in run.apply.refs:
            readers.setdefault(ref.key, []).append((run, ref))
    return readers


def _macs(net: Net, runs: Iterable[Reached]) -> int:
    return sum(run.times * run.apply.op.macs(*net.operand_types(run.apply)) for run in runs)


def _sets_read(param: Param, readers: list[Reading]) -> int:
    """How many sets of a parameter are read by at least one of `readers`.

    Each reads a box of sets. Numbers of an axis that the same readers read are one class, and the classes are few.
    """
    if not readers:
        return 0
    if len(readers) == 1:
        (run, ref), *_ = readers
        return run.sets(ref)
    covered, sizes = np.ones(len(readers), bool), np.ones((), np.int64)
    for axis, count in enumerate(param.sets):
        read = np.zeros((len(readers), count), bool)
        for row, (run, ref) in zip(read, readers, strict=True):
            row[numbers(ref.index[axis], run.reach)] = True
        classes, counts = np.unique(read, axis=1, return_counts=True)
        covered = covered[..., None] & classes[(slice(None), *[None] * axis)]
        sizes = np.multiply.outer(sizes, counts)
    return int(sizes[covered.any(0)].sum())


def _graph_bytes(net: Net, runs: Iterable[Reached]) -> int:
    return sum(nodes(run) * node_bytes(net, run.apply) for run in runs if run.apply.op.counted)


def nodes(run: Reached) -> int:
    """How many unique nodes an operation is: one for each set of its weights."""
    return max((run.sets(ref) for ref in run.apply.refs), default=1)


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
