"""A net as a flat list of rows, one per statement, input and output, in text order, independent of value names.

Two nets are equal if their rows have equal facts and read corresponding rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, fields
from itertools import takewhile

from itc.ir.net import Apply, Body, Emit, Index, Loop, Net, Output, ParamRef, Statement, Value, When, applies
from itc.ir.printer import attribute_text
from itc.records import dataclass


@dataclass(frozen=True)
class Row:
    """A line of a net: its kind `what` and `name`, `facts` about it, and the enclosing loops and branches `inside`.

    `reads` and `gives` are the values of this net that the row reads and defines. `usual` are facts not worth
    printing, such as attributes with their default.
    """

    what: str
    name: str
    facts: dict[str, str]
    inside: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    usual: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        return f"{self.what} {self.name}".rstrip()


def rows(net: Net) -> list[Row]:
    """The rows of a net."""
    return list(_Flat().net(net))


@dataclass
class _Flat:
    """Knows the names of the loops around the current statement by their variables."""

    loops: dict[str, str] = field(default_factory=dict)

    def net(self, net: Net) -> Iterator[Row]:
        rest = {"name", "inputs", "params", "body", "outputs", "span"}
        facts = {f.name: str(value) for f in fields(net) if f.name not in rest and (value := getattr(net, f.name))}
        yield Row("net", "", facts)
        for value in net.inputs:
            yield Row("input", value.name, {"type": str(value.type)}, gives=(value.name,))
        yield from self.statements(net.body, ())
        yield from map(_output, net.outputs)

    def statements(self, statements: Iterable[Statement], inside: tuple[str, ...]) -> Iterator[Row]:
        for statement in statements:
            match statement:
                case Apply():
                    yield self.apply(statement, inside)
                case Loop():
                    yield from self.loop(statement, inside)
                case When():
                    yield from self.when(statement, inside)
                case Emit():
                    yield Row("emit", "", {"iterations": str(statement.iterations)}, inside)
                    yield from self.body(statement.body, (*inside, "emit"))

    def body(self, body: Body, inside: tuple[str, ...]) -> Iterator[Row]:
        yield from self.statements(body.statements, inside)
        yield Row("yield", "", {}, inside, _names(body.yields))

    def apply(self, apply: Apply, inside: tuple[str, ...]) -> Row:
        facts = {"type": _types(apply.results)}
        facts |= {f.name: attribute_text(getattr(apply.op, f.name)) for f in fields(apply.op)}
        usual = {f.name for f in fields(apply.op)} - set(apply.op.attributes()) | {"parameters"}
        if apply.refs:
            sets = sorted({self.sets(ref) for ref in apply.refs})
            facts |= {"sets": "; ".join(sets), "parameters": ", ".join(ref.key for ref in apply.refs)}
            usual |= {"sets"} if sets == ["one"] else set()
        name = module(ref.key for ref in apply.refs)
        reads, gives = _names(apply.values), _names(apply.results)
        return Row(apply.op.name, name, facts, inside, reads, gives, frozenset(usual))

    def sets(self, ref: ParamRef) -> str:
        """Which sets of a parameter an operation reads."""
        return ", ".join(f"number {i}" if isinstance(i, int) else self.index(i) for i in ref.index) or "one"

    def index(self, index: Index) -> str:
        every = "each" if index.every == 1 else f"every {index.every}"
        return f"one for {every} of {index.over} of {self.loops.get(index.var, 'a loop')}"

    def loop(self, loop: Loop, inside: tuple[str, ...]) -> Iterator[Row]:
        own = tuple(s for s in loop.body.statements if not isinstance(s, Emit))  # heads have keys of their own
        name = module(ref.key for apply in applies(own) for ref in apply.refs)
        label = self.loops[loop.var] = f"loop {name}".rstrip()
        facts = {"iterations": str(loop.count), "carries": _types(c.inner for c in loop.carries)}
        facts |= {"each": _types(e.inner for e in loop.each)} if loop.each else {}
        if loop.halt:
            facts["halt"] = f"{loop.halt.kind}, limit {loop.halt.limit:g}, ponder {loop.halt.ponder:g}"
        reads = tuple(c.init.name for c in loop.carries) + tuple(e.series.name for e in loop.each)
        inner = _names([*(c.inner for c in loop.carries), *(e.inner for e in loop.each)])
        yield Row("loop", name, facts, inside, reads, inner + _names(loop.results))
        yield from self.statements(loop.body.statements, (*inside, label))
        score = (loop.halt.score,) if loop.halt else ()
        yield Row("yield", "", {}, (*inside, label), _names((*loop.body.yields, *score)))

    def when(self, when: When, inside: tuple[str, ...]) -> Iterator[Row]:
        yield Row("when", "", {"iterations": str(when.iterations)}, inside, gives=_names(when.results))
        yield from self.body(when.body, (*inside, "when"))
        yield from self.body(when.otherwise, (*inside, "else"))


def _output(output: Output) -> Row:
    values = {f.name: getattr(output, f.name) for f in fields(output) if f.name not in ("name", "value")}
    facts = {name: attribute_text(value) for name, value in values.items() if value is not None}
    return Row("output", output.name, facts, reads=(output.value.name,))


def _names(values: Iterable[Value]) -> tuple[str, ...]:
    return tuple(value.name for value in values)


def _types(values: Iterable[Value]) -> str:
    return ", ".join(str(value.type) for value in values)


def module(keys: Iterable[str]) -> str:
    """The path that keys have in common: of `a.conv.weight` and `a.conv.bias`, `a.conv`."""
    paths = [key.split(".")[:-1] for key in keys]
    steps = (set(step) for step in zip(*paths, strict=False))
    return ".".join(next(iter(step)) for step in takewhile(lambda step: len(step) == 1, steps))


__all__ = ["Row", "rows"]
