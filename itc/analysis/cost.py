"""What a net costs by the definitions of the ItNet paper (section II-C): in total, and up to each of its outputs.

Counted are convolutions and linear layers, batch 1, in the element size of the net's values:

- parameters: elements of all sets of all trained parameters, norms included;
- MACs: multiply-accumulates of everything that runs up to and including an output;
- graph size: over the unique nodes, bytes of (parameters + input map + output map). A node in a loop counts once, and
  once for each set of its weights where they are not shared: then each set is a node of its own;
- latency: counted layers on the longest path from the input to the output;
- state: bytes of the carries of the largest loop, the outer loops' with it;
- peak activation memory: see `itc.analysis.liveness`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from itc.analysis.depth import longest_paths
from itc.analysis.liveness import peak_bytes
from itc.analysis.reach import Reached, reached
from itc.ir.net import Apply, Emit, Loop, Net, Output, Statement, children


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
    for statement in net.body:
        if not isinstance(statement, Emit) and output.value in statement.results:
            limit = {statement.var: at} if isinstance(statement, Loop) and at is not None else {}
            yield from reached((statement,), until=limit)
            return
        yield from reached((statement,))


def _macs(net: Net, runs: Iterable[Reached]) -> int:
    return sum(run.times * run.apply.op.macs(*net.operand_types(run.apply)) for run in runs if run.apply.op.counted)


def _params(net: Net, runs: Iterable[Reached]) -> int:
    """Elements of the sets that these runs read: for each parameter the most sets that any reader takes."""
    sets: dict[str, int] = {}
    for run in runs:
        for ref in run.apply.refs:
            sets[ref.key] = max(sets.get(ref.key, 0), run.sets(ref))
    return sum(count * net.param[key].type.size for key, count in sets.items() if net.param[key].trained)


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
