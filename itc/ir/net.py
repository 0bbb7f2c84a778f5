"""The IR: a net is statements over named values; loops stay loops, and sharing shows in how parameters are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Literal

from itc.ir.iterations import IterationSet
from itc.ir.op import UNTRAINED, Op, Role
from itc.ir.types import DTYPE_BYTES, TensorType, Type
from itc.source import Span


@dataclass(frozen=True, slots=True)
class Value:
    """A value by its name, unique in the net; printed `%name`."""

    name: str
    type: Type

    @property
    def tensor(self) -> TensorType:
        """The type, where only a tensor may stand."""
        assert isinstance(self.type, TensorType), self
        return self.type


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter under its checkpoint key; `sets` are leading axes, one for each loop in which it is not shared."""

    key: str
    type: TensorType
    role: Role
    init: str = "zeros"
    sets: tuple[int, ...] = ()

    @property
    def trained(self) -> bool:
        """Whether it counts as a parameter: norm statistics and constants are state, not parameters."""
        return self.role not in UNTRAINED

    @property
    def copies(self) -> int:
        """Number of sets."""
        return prod(self.sets)

    @property
    def size(self) -> int:
        """Elements of all sets."""
        return self.copies * self.type.size

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in a checkpoint: the axes of the sets, then those of one set."""
        return self.sets + self.type.shape

    @property
    def bytes(self) -> int:
        return self.size * DTYPE_BYTES[self.type.dtype]


@dataclass(frozen=True)
class Index:
    """Which set of a parameter an iteration reads: the dense rank of its run of `every` iterations in `over`.

    `over` are the iterations of loop `var` that reach the parameter, so sets that no iteration reaches do not exist.
    """

    var: str
    over: IterationSet
    every: int = 1

    @property
    def count(self) -> int:
        """Number of sets."""
        return self.over.groups(self.every)

    def at(self, iteration: int) -> int:
        """The set, from 0, that `iteration` reads."""
        return self.over.group(iteration, self.every)


@dataclass(frozen=True, slots=True)
class ParamRef:
    """A parameter as an operand: `@key[%t]`. An index that is a number selects that set (an unrolled loop's)."""

    key: str
    index: tuple[Index | int, ...] = ()


Operand = Value | ParamRef


@dataclass(frozen=True, slots=True)
class Apply:
    """`%r = op(%a, @w) {attributes}: type`."""

    op: Op
    operands: tuple[Operand, ...]
    results: tuple[Value, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def result(self) -> Value:
        assert len(self.results) == 1, self
        return self.results[0]

    @property
    def values(self) -> tuple[Value, ...]:
        return tuple(operand for operand in self.operands if isinstance(operand, Value))

    @property
    def refs(self) -> tuple[ParamRef, ...]:
        return tuple(operand for operand in self.operands if isinstance(operand, ParamRef))


@dataclass(frozen=True, slots=True)
class Body:
    """Statements and the values they hand to whoever holds them."""

    statements: tuple[Statement, ...]
    yields: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class When:
    """The values of `body` in the iterations of loop `var` that `iterations` holds, of `otherwise` in all others."""

    var: str
    iterations: IterationSet
    body: Body
    otherwise: Body
    results: tuple[Value, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Emit:
    """Directly in a loop's body: what `body` yields in the iterations of `iterations`, collected into series.

    The series are results of the loop. An `emit` of a spec is one with a head in its body; a `yield` of a spec is one
    over all iterations with none.
    """

    var: str
    iterations: IterationSet
    body: Body
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Carry:
    """A value that flows round a loop: `inner` is its name in the body, `init` what it is in the first iteration."""

    inner: Value
    init: Value


@dataclass(frozen=True, slots=True)
class Each:
    """A series that a loop walks: in iteration t, `inner` is element t of `series`."""

    inner: Value
    series: Value


HaltKind = Literal["act", "above", "below"]


@dataclass(frozen=True, slots=True)
class Halt:
    """How a loop ends early: `score` is a value of its body, its axes aligned with the first of every carry.

    `act` is adaptive computation time (Graves 2016): a place halts in the iteration in which its scores sum to
    1 - `limit` or more, or in the last; the carries leave as sums over its iterations, each weighted by its score, the
    last by the remainder to 1. `above` and `below` halt where the score passes `limit`, and the carries leave as they
    are then. What has halted is frozen. `ponder` weighs the training loss of iterations + remainder.
    """

    kind: HaltKind
    score: Value
    limit: float
    ponder: float = 0.0


@dataclass(frozen=True, slots=True)
class Loop:
    """At most `count` iterations of `body`, which yields the next carries; exactly as many without `halt`.

    `results` are the last carries, then for each emit of the body in text order its series; then, of a loop that halts,
    how many iterations each place took, and under `act` its remainder: float tensors of the score's shape.
    """

    var: str
    count: int
    carries: tuple[Carry, ...]
    body: Body
    results: tuple[Value, ...]
    each: tuple[Each, ...] = ()
    halt: Halt | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def emits(self) -> tuple[Emit, ...]:
        return tuple(s for s in self.body.statements if isinstance(s, Emit))

    @property
    def carry_results(self) -> tuple[Value, ...]:
        return self.results[: len(self.carries)]

    @property
    def collected(self) -> tuple[tuple[Emit, tuple[Value, ...]], ...]:
        """Each emit with the results of the loop that hold its series."""
        out, at = [], len(self.carries)
        for emit in self.emits:
            out.append((emit, self.results[at : at + len(emit.body.yields)]))
            at += len(emit.body.yields)
        return tuple(out)

    @property
    def halt_results(self) -> tuple[Value, ...]:
        """Of a loop that halts: the iterations taken and, under `act`, the remainder."""
        return self.results[len(self.results) - self.halt_count :]

    @property
    def halt_count(self) -> int:
        return 0 if self.halt is None else 2 if self.halt.kind == "act" else 1

    @property
    def iterations(self) -> IterationSet:
        return IterationSet.span(1, self.count)


Statement = Apply | Loop | When | Emit


@dataclass(frozen=True, slots=True)
class Output:
    """What the net returns. `at` are the exits, in iterations of the loop that emits, if the value is a series.

    `weights` has one number for all exits or one for each; without `loss` the output is not trained.
    """

    name: str
    value: Value
    at: IterationSet | None = None
    loss: str = ""
    weights: tuple[float, ...] = (1.0,)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the single outputs everywhere in itc: `name`, or `name@n` for exit n."""
        return (self.name,) if self.at is None else tuple(f"{self.name}@{n}" for n in self.at)


@dataclass(frozen=True)
class Net:
    """A whole network for one input size. Every stage after the language is a function of it."""

    name: str
    inputs: tuple[Value, ...]
    params: tuple[Param, ...]
    body: tuple[Statement, ...]
    outputs: tuple[Output, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    @cached_property
    def param(self) -> dict[str, Param]:
        return {param.key: param for param in self.params}

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label for output in self.outputs for label in output.labels)

    def with_body(self, body: tuple[Statement, ...]) -> Net:
        return replace(self, body=body)

    def ref_type(self, ref: ParamRef) -> TensorType:
        """Type of one set of the parameter that `ref` reads."""
        return self.param[ref.key].type

    def operand_types(self, apply: Apply) -> tuple[TensorType, ...]:
        return tuple(o.tensor if isinstance(o, Value) else self.ref_type(o) for o in apply.operands)


def children(statement: Statement) -> tuple[Body, ...]:
    """The bodies that a statement holds."""
    match statement:
        case Loop(body=body) | Emit(body=body):
            return (body,)
        case When(body=body, otherwise=otherwise):
            return (body, otherwise)
        case Apply():
            return ()


def walk(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement in text order, those that hold others before what they hold."""
    for statement in statements:
        yield statement
        for body in children(statement):
            yield from walk(body.statements)


def applies(statements: tuple[Statement, ...]) -> Iterator[Apply]:
    """Every operation in text order."""
    return (s for s in walk(statements) if isinstance(s, Apply))
