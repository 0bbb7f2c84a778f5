"""Exchange steps of a bulk-synchronous program: an operand is sent directly in front of its reader.

It is sent earlier in two cases. Where a producer of the value is executed again before the reader, the exchange stands
in front of that producer: its buffer would be overwritten. Where the value is the same in all iterations of a loop,
the exchange may stand in front of the loop, and must if the loop contains a producer: the operand is then `kept`.
Outputs are sent directly behind their definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from itc.ir.net import Apply, Body, Emit, Loop, Statement, Value, When, children
from itc.ir.types import TensorType
from itc.ir.uses import inner_values, results
from itc_tile.kernels.graph import KernelGraph, Reader
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.steps import ExchangeStep, Target

Statements = Sequence[Statement]


@dataclass
class ExchangePlacement:
    """Where each operand of a graph is sent, with some operands `wanted` in front of the loops around their readers."""

    graph: KernelGraph
    wanted: frozenset[Target]
    kept: set[Target] = field(default_factory=set)
    before: dict[int, dict[str, list[Target]]] = field(default_factory=dict)
    positions: dict[int, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        net = self.graph.net
        self.values: dict[str, Value] = {}
        self.defined(net.inputs, net.body, 0, 0)
        self.body(net.body, 0)

    def body(self, statements: Statements, depth: int) -> None:
        """Places the exchanges of all values that statements `depth` loops deep define."""
        for index, statement in enumerate(statements):
            inside = depth + isinstance(statement, Loop)
            for body in children(statement):
                self.defined(inner_values(statement), body.statements, 0, inside)
                self.body(body.statements, inside)
            self.defined(results(statement), statements, index + 1, depth)

    def defined(self, values: Iterable[Value], statements: Statements, start: int, depth: int) -> None:
        """Places the exchanges of values that exist from statement `start` on."""
        for value in values:
            self.values[value.name] = value
            for reader in self.graph.readers.get(value.name, ()):
                self.operand(value, reader, statements, start, depth)

    def operand(self, value: Value, reader: Reader, statements: Statements, start: int, depth: int) -> None:
        """Places the exchange of one operand, at the last position at which the value is still in its buffer."""
        label, target = reader.instance.label, (reader.instance.label, reader.operand)
        producers = self.graph.reaching.producers(value.name, reader.instance.reach)
        while True:
            known = self.position(statements)
            at = known[label]
            again = [known[p] for p in producers if p in known and start <= known[p] < at]
            statement = statements[min([*again, at])]
            overwritten = any(known.get(producer) == at for producer in producers)
            kept = isinstance(statement, Loop) and (overwritten or target in self.wanted)
            if again or kept or isinstance(statement, Apply):
                break
            depth += isinstance(statement, Loop)
            statements = next(b.statements for b in children(statement) if label in self.position(b.statements))
            start = 0
        if depth < len(reader.instance.reach):
            self.kept.add(target)
        self.before.setdefault(id(statement), {}).setdefault(value.name, []).append(target)

    def position(self, statements: Statements) -> Mapping[str, int]:
        """For each kernel inside some statements, by label, the index of the statement that it is in."""
        if id(statements) not in self.positions:
            found: dict[str, int] = {}
            for index, statement in enumerate(statements):
                if isinstance(statement, Apply) and isinstance(statement.op, Kernel):
                    found[statement.op.label] = index
                for body in children(statement):
                    found |= dict.fromkeys(self.position(body.statements), index)
            self.positions[id(statements)] = found
        return self.positions[id(statements)]

    # Steps

    def steps(self, outputs: Mapping[str, Sequence[str]]) -> tuple[Statement, ...]:
        """The statements of the net with all exchanges; `outputs` has those that each value is, by its name."""
        self.outputs = outputs
        return tuple(self._steps(self.graph.net.body))

    def _steps(self, statements: Statements) -> Iterator[Statement]:
        for statement in statements:
            for name, targets in self.before.get(id(statement), {}).items():
                yield Apply(ExchangeStep(tuple(targets)), (self.values[name],), ())
            yield self._with_inner(statement)
            for value in results(statement):
                if isinstance(value.type, TensorType) and value.name in self.outputs:
                    yield Apply(ExchangeStep((), tuple(self.outputs[value.name])), (value,), ())

    def _with_inner(self, statement: Statement) -> Statement:
        match statement:
            case Loop() | Emit():
                return replace(statement, body=self._body(statement.body))
            case When():
                return replace(statement, body=self._body(statement.body), otherwise=self._body(statement.otherwise))
            case Apply():
                return statement

    def _body(self, body: Body) -> Body:
        return Body(tuple(self._steps(body.statements)), body.yields)


def loop_invariant(graph: KernelGraph) -> frozenset[Target]:
    """The operands that are the same in all iterations of a loop around their reader."""
    everything = frozenset((r.instance.label, r.operand) for group in graph.readers.values() for r in group)
    return frozenset(ExchangePlacement(graph, everything).kept)
