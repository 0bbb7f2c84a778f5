"""The order of execution of a net's layers, by dominators of its dataflow graph.

A value dominates another if every path from the inputs to the other passes through it. Loops count as run once, and
only the first call of a layer counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from itc.checkpoints.layers import Layer, Shape
from itc.ir.net import Apply, Emit, Loop, Net, Statement, Value, When
from itc.source import Span

#: The node before all inputs, and the node of constants, which is on no path.
ROOT, CONSTANT = 0, -1


@dataclass(frozen=True)
class Use:
    """The first call of a layer: its operands, its result, and the layer whose output it reads, if any."""

    index: int
    reads: tuple[int, ...]
    shapes: tuple[Shape, ...]
    result: int
    before: str | None
    span: Span | None


@dataclass(eq=False)
class Dataflow:
    """The first uses of layers by path, and for each node its dominator, depth and the layers above it, as bits."""

    uses: dict[str, Use] = field(default_factory=dict)
    dominator: list[int] = field(default_factory=lambda: [ROOT])
    depth: list[int] = field(default_factory=lambda: [0])
    above: list[int] = field(default_factory=lambda: [0])
    nearest: list[str | None] = field(default_factory=lambda: [None])

    def one_after_the_other(self, first: Iterable[str], second: Iterable[str]) -> bool:
        """Whether all paths to the layers of `second` pass through all layers of `first`."""
        cut = self._cut(second)
        bits = 0
        for path in first:
            if path not in self.uses:
                return False
            bits |= self._bit(path)
        return cut is not None and bits & self.above[cut] == bits

    def same_size_or_passed(self, first: str, second: str) -> bool:
        """Whether two layers read maps of equal size, or no path to the second bypasses the first."""
        one, other = self.uses[first], self.uses[second]
        if one.shapes == other.shapes:
            return True
        cut = self._cut([second])
        return cut is not None and self._dominates(one.result, cut)

    def attached(self, path: str) -> tuple[str, ...]:
        """The layer whose output this one reads, and the layers that read its output."""
        use = self.uses.get(path)
        if use is None:
            return ()
        return (*((use.before,) if use.before else ()), *self._readers.get(path, ()))

    def span(self, path: str) -> Span | None:
        return self.uses[path].span if path in self.uses else None

    def close(self) -> None:
        self._bits = {path: 1 << use.index for path, use in self.uses.items()}
        self._readers: dict[str, list[str]] = {}
        for path, use in self.uses.items():
            if use.before:
                self._readers.setdefault(use.before, []).append(path)

    def node(self, before: Sequence[int], layer: str | None = None) -> int:
        """Adds a node for a value computed from others."""
        sources = [node for node in before if node != CONSTANT]
        at = len(self.dominator)
        dominator = self._common(sources) if sources else ROOT
        above = 0
        for node in sources:
            above |= self.above[node]
        names = {self.nearest[node] for node in sources}
        self.dominator.append(dominator)
        self.depth.append(self.depth[dominator] + 1)
        self.above.append(above)
        self.nearest.append(layer or (names.pop() if len(names) == 1 else None))
        return at

    def _bit(self, path: str) -> int:
        return self._bits[path]

    def _cut(self, paths: Iterable[str]) -> int | None:
        """The nearest common dominator of the operands of these layers."""
        reads = [node for path in paths if path in self.uses for node in self.uses[path].reads]
        return self._common(reads) if reads else None

    def _common(self, nodes: Sequence[int]) -> int:
        meet, *rest = nodes
        for node in rest:
            other = node
            while meet != other:
                if self.depth[meet] < self.depth[other]:
                    meet, other = other, meet
                meet = self.dominator[meet]
        return meet

    def _dominates(self, node: int, other: int) -> bool:
        while self.depth[other] > self.depth[node]:
            other = self.dominator[other]
        return other == node


def dataflow(net: Net, layers: Iterable[Layer]) -> Dataflow:
    """The order of execution of a net's layers."""
    paths = {key: layer.path for layer in layers for key in layer.keys.values()}
    walk = _Walk(Dataflow(), paths, {})
    for value in net.inputs:
        walk.nodes[value.name] = walk.flow.node([ROOT])
    walk.statements(net.body)
    walk.flow.close()
    return walk.flow


@dataclass(eq=False)
class _Walk:
    flow: Dataflow
    paths: Mapping[str, str]
    nodes: dict[str, int]

    def statements(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self._apply(statement)
                case Loop():
                    self._loop(statement)
                case When():
                    self.statements(statement.body.statements)
                    self.statements(statement.otherwise.statements)
                    for result, *yields in zip(
                        statement.results, statement.body.yields, statement.otherwise.yields, strict=True
                    ):
                        self._join(result, yields)
                case Emit():
                    self.statements(statement.body.statements)

    def _apply(self, apply: Apply) -> None:
        layers = list(dict.fromkeys(self.paths[ref.key] for ref in apply.refs if ref.key in self.paths))
        reads = tuple(self.nodes[value.name] for value in apply.values)
        moving = tuple(node for node in reads if node != CONSTANT)
        if not moving:
            self.nodes |= {result.name: CONSTANT for result in apply.results}  # free parameters
            return
        node = self.flow.node(moving, layers[0] if layers else None)
        for path in layers:
            if path not in self.flow.uses:
                names = {self.flow.nearest[read] for read in moving}
                before = names.pop() if len(names) == 1 else None
                shapes = tuple(value.tensor.shape for value in apply.values)
                use = Use(len(self.flow.uses), moving, shapes, node, before, apply.span)
                self.flow.uses[path] = use
            self.flow.above[node] |= 1 << self.flow.uses[path].index
        self.nodes |= {result.name: node for result in apply.results}

    def _loop(self, loop: Loop) -> None:
        for carry in loop.carries:
            self._join(carry.inner, [carry.init])
        for each in loop.each:
            self._join(each.inner, [each.series])
        self.statements(loop.body.statements)
        for result, last in zip(loop.carry_results, loop.body.yields, strict=True):
            self._join(result, [last])
        for emit, results in loop.collected:
            for result, value in zip(results, emit.body.yields, strict=True):
                self._join(result, [value])
        for result in loop.halt_results:
            assert loop.halt
            self._join(result, [loop.halt.score])

    def _join(self, value: Value, sources: Iterable[Value]) -> None:
        nodes = [node for source in sources if (node := self.nodes[source.name]) != CONSTANT]
        self.nodes[value.name] = self.flow.node(nodes) if nodes else CONSTANT
