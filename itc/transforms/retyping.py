"""A rewriting of element types: loops, branches and exits stay; each value gets a form in every type that is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from itc.ir.net import Apply, Body, Carry, Each, Emit, Loop, Net, Output, Statement, Value, When, children, walk
from itc.ir.types import SeriesType, Type
from itc.transforms.rewriting import Names


def dtype_of(type: Type) -> str:
    """The element type of a tensor or series."""
    return type.element.dtype if isinstance(type, SeriesType) else type.dtype


def with_dtype(type: Type, dtype: str) -> Type:
    """The type of the same sizes with other elements."""
    if isinstance(type, SeriesType):
        return replace(type, element=type.element.with_dtype(dtype))
    return type.with_dtype(dtype)


def handed_on(statements: tuple[Statement, ...]) -> Iterator[tuple[Value, Value]]:
    """Pairs of values of one type of which the second is the first: round a loop, or out of a loop or branch."""
    for statement in walk(statements):
        if isinstance(statement, Loop):
            for carry, after, result in zip(
                statement.carries, statement.body.yields, statement.carry_results, strict=True
            ):
                yield from ((carry.init, carry.inner), (after, carry.inner), (carry.inner, result))
        if isinstance(statement, When):
            for body in children(statement):
                yield from zip(body.yields, statement.results, strict=True)


def grouped(pairs: Iterable[tuple[Value, Value]]) -> dict[str, set[str]]:
    """The names that pairs connect, directly or over others, by each of them."""
    groups: dict[str, set[str]] = {}
    for one, other in pairs:
        small, large = sorted((groups.get(v.name, {v.name}) for v in (one, other)), key=len)
        large |= small
        groups |= dict.fromkeys(small | {one.name, other.name}, large)
    return groups


class Retyping(ABC):
    """Rebuilds a net statement by statement; `forms` are the values in scope that stand for an old one, by type."""

    def __init__(self, net: Net) -> None:
        self.old = net
        self.names = Names(net)
        self.forms: dict[str, dict[str, Value]] = {}
        self._defined: list[tuple[str, str]] = []
        self._open: list[list[Statement]] = [[]]

    @abstractmethod
    def storage(self, value: Value) -> str:
        """The element type of a carry, a series or the result of a branch."""

    @abstractmethod
    def convert(self, value: Value, dtype: str) -> Value:
        """Adds the conversion of an old value in scope to `dtype`."""

    @abstractmethod
    def apply(self, apply: Apply) -> None:
        """Adds an operation in its new types."""

    def add(self, statement: Statement) -> None:
        self._open[-1].append(statement)

    def define(self, old: Value, new: Value) -> Value:
        """Makes `new` a form of `old` until the end of the body."""
        dtype = dtype_of(new.type)
        if dtype not in self.forms.setdefault(old.name, {}):
            self._defined.append((old.name, dtype))
        self.forms[old.name][dtype] = new
        return new

    def typed(self, old: Value, dtype: str) -> Value:
        """Defines the form of a value that a statement, not an operation, gives: it keeps the name."""
        return self.define(old, Value(old.name, with_dtype(old.type, dtype)))

    def form(self, value: Value, dtype: str) -> Value:
        """The form of an old value in `dtype`, converted if there is none in scope."""
        found = self.forms[value.name].get(dtype)
        return found if found else self.define(value, self.convert(value, dtype))

    def home(self, value: Value) -> Value:
        """The form in which an old value was defined."""
        return next(iter(self.forms[value.name].values()))

    def rebuilt(self) -> Net:
        """The net in its new types; parameters are the caller's."""
        for value in self.old.inputs:
            self.define(value, value)
        self.statements(self.old.body)
        outputs = tuple(self.output(output) for output in self.old.outputs)
        return replace(self.old, body=tuple(self._open[0]), outputs=outputs)

    def output(self, output: Output) -> Output:
        """An output in its old type."""
        return replace(output, value=self.form(output.value, dtype_of(output.value.type)))

    def statements(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    pass  # by the loop, which knows its series

    @contextmanager
    def body(self) -> Iterator[list[Statement]]:
        """A nested body: what is added in it is its statements, and its forms are in scope until its end."""
        first = len(self._defined)
        self._open.append([])
        yield self._open[-1]
        self._open.pop()
        for name, dtype in self._defined[first:]:
            del self.forms[name][dtype]
        del self._defined[first:]

    def yielding(self, body: Body, results: tuple[Value, ...]) -> Body:
        """A body whose yields have the types of `results`."""
        with self.body() as statements:
            self.statements(body.statements)
            yields = self.stored(body.yields, results)
        return Body(tuple(statements), yields)

    def stored(self, values: tuple[Value, ...], like: tuple[Value, ...]) -> tuple[Value, ...]:
        """The forms of values as `like` are stored."""
        return tuple(self.form(value, self.storage(other)) for value, other in zip(values, like, strict=True))

    def when(self, when: When) -> None:
        body, otherwise = (self.yielding(branch, when.results) for branch in (when.body, when.otherwise))
        results = tuple(self.typed(result, self.storage(result)) for result in when.results)
        self.add(replace(when, body=body, otherwise=otherwise, results=results))

    def loop(self, loop: Loop) -> None:
        inits = self.stored(tuple(c.init for c in loop.carries), tuple(c.inner for c in loop.carries))
        series = tuple(self.home(each.series) for each in loop.each)
        with self.body() as statements:
            inner = tuple(self.typed(carry.inner, self.storage(carry.inner)) for carry in loop.carries)
            elements = tuple(self.typed(e.inner, dtype_of(s.type)) for e, s in zip(loop.each, series, strict=True))
            self.loop_body(loop)
            yields = self.stored(loop.body.yields, tuple(carry.inner for carry in loop.carries))
            halt = replace(loop.halt, score=self.form(loop.halt.score, "f32")) if loop.halt else None
        results = (
            *(self.typed(r, self.storage(c.inner)) for r, c in zip(loop.carry_results, loop.carries, strict=True)),
            *(self.typed(value, self.storage(value)) for _, values in loop.collected for value in values),
            *(self.typed(value, "f32") for value in loop.halt_results),
        )
        carries = tuple(Carry(*pair) for pair in zip(inner, inits, strict=True))
        each = tuple(Each(*pair) for pair in zip(elements, series, strict=True))
        body = Body(tuple(statements), yields)
        self.add(replace(loop, carries=carries, each=each, body=body, results=results, halt=halt))

    def loop_body(self, loop: Loop) -> None:
        """The statements of a loop's body; those of an emit yield elements as their series stores them."""
        series = iter([values for _, values in loop.collected])
        for statement in loop.body.statements:
            if isinstance(statement, Emit):
                self.add(replace(statement, body=self.yielding(statement.body, next(series))))
            else:
                self.statements((statement,))
