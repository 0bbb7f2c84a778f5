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

from collections.abc import Iterable
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
    outputs = tuple(
        _output_cost(net, label, list(_until(net, output, at)), paths[label])
        for output in net.outputs
        for label, at in zip(output.labels, output.at or (None,), strict=True)
    )
    return Cost(
        net=net.name,
        params=sum(param.size for param in net.params if param.trained),
        macs=_macs(net, whole),
        graph_bytes=_graph_bytes(net, whole),
        latency=max(paths.values(), default=0),
        state_bytes=_state_bytes(net.body),
        peak_bytes=peak_bytes(net),
        outputs=outputs,
    )


def _output_cost(net: Net, label: str, runs: list[Reached], latency: int) -> OutputCost:
    return OutputCost(label, _macs(net, runs), _params(net, runs), _graph_bytes(net, runs), latency)


def _until(net: Net, output: Output, at: int | None) -> Iterable[Reached]:
    """What runs up to an output: the statements down to the one that makes it, a loop only to the exit."""
    for statement in net.body if output.value not in net.inputs else ():
        if not isinstance(statement, Emit) and output.value in statement.results:
            yield from reached((statement,), until=_limit(statement, output, at))
            return
        yield from reached((statement,))


def _limit(statement: Statement, output: Output, at: int | None) -> dict[str, int]:
    """The iteration of the loop that makes an output in which it hands out exit `at`: of a peeled one, another."""
    if not isinstance(statement, Loop) or output.at is None or at is None:
        return {}
    emits = (emit for emit, series in statement.collected if output.value in series)
    return next(({statement.var: emit.iterations.numbers[output.at.rank(at)]} for emit in emits), {})


def _macs(net: Net, runs: Iterable[Reached]) -> int:
    return sum(run.times * run.apply.op.macs(*net.operand_types(run.apply)) for run in runs)


def _params(net: Net, runs: Iterable[Reached]) -> int:
    """Elements of the sets that these runs read, each once however many read it."""
    readers: dict[str, list[tuple[Reached, ParamRef]]] = {}
    for run in runs:
        for ref in run.apply.refs:
            readers.setdefault(ref.key, []).append((run, ref))
    params = ((net.param[key], found) for key, found in readers.items())
    return sum(_sets_read(param, found) * param.type.size for param, found in params if param.trained)


def _sets_read(param: Param, readers: list[tuple[Reached, ParamRef]]) -> int:
    """How many sets of a parameter are read by at least one of `readers`.

    Each reads a box of sets. Numbers of an axis that the same readers read are one class, and the classes are few.
    """
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
