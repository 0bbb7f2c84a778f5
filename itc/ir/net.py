"""The IR: a net is a list of statements over named values, with structured loops.

Sharing between iterations is explicit in the operands: `@key` is one set for all, `@key[%t]` one set per iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from functools import cached_property
from math import prod
from typing import Literal

from itc.ir.iterations import IterationSet
from itc.ir.op import UNTRAINED, Op, Role
from itc.ir.types import DTYPE_BYTES, FLOATS, TensorType, Type
from itc.records import dataclass
from itc.source import Span


@dataclass(frozen=True, slots=True)
class Value:
    """A value, identified by its name, which is unique in the net; printed `%name`."""

    name: str
    type: Type

    @property
    def tensor(self) -> TensorType:
        """The type of a tensor value; not for series."""
        assert isinstance(self.type, TensorType), self
        return self.type


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter with its checkpoint key; `sets` are leading axes, one for each loop with more than one set."""

    key: str
    type: TensorType
    role: Role
    init: str = "zeros"
    sets: tuple[int, ...] = ()

    @property
    def learned(self) -> bool:
        """Whether its values are of training by gradients; those of norm statistics and constants are not."""
        return self.role not in UNTRAINED

    @property
    def trained(self) -> bool:
        """Whether training updates it by gradients: it is learned, and not an integer."""
        return self.learned and self.type.dtype in FLOATS

    @property
    def set_count(self) -> int:
        """Number of sets."""
        return prod(self.sets)

    @property
    def size(self) -> int:
        """Elements of all sets."""
        return self.set_count * self.type.size

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in a checkpoint: the axes of the sets, then those of one set."""
        return self.sets + self.type.shape

    @property
    def bytes(self) -> int:
        return self.size * DTYPE_BYTES[self.type.dtype]


@dataclass(frozen=True)
class Index:
    """The parameter set read in an iteration: the rank of its group of `every` iterations among those of `over`.

    `over` are the iterations of loop `var` that reach the parameter; there are no sets for other iterations.
    After peeling or partial unrolling, iteration t reads the set of iteration `step * t + offset` of the original loop.
    """

    var: str
    over: IterationSet
    every: int = 1
    step: int = 1
    offset: int = 0

    @property
    def count(self) -> int:
        """Number of sets."""
        return self.over.groups(self.every)

    def at(self, iteration: int) -> int:
        """The number of the set read in `iteration`, from 0."""
        return self.over.group(self.step * iteration + self.offset, self.every)


@dataclass(frozen=True, slots=True)
class ParamRef:
    """A parameter as an operand: `@key[%t]`. A constant index selects one set, as in an unrolled loop."""

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
    """Statements and the values that they yield to the enclosing statement."""

    statements: tuple[Statement, ...]
    yields: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class When:
    """A branch: the yields of `body` in `iterations` of loop `var`, those of `otherwise` in the other iterations."""

    var: str
    iterations: IterationSet
    body: Body
    otherwise: Body
    results: tuple[Value, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Emit:
    """Collects the yields of `body` in `iterations` into series; stands directly in the body of a loop.

    The series are results of the loop. An `emit ... at` of a spec becomes an Emit with the head in its body; a `yield`
    of a spec becomes an Emit over all iterations.
    """

    var: str
    iterations: IterationSet
    body: Body
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Carry:
    """Loop state: `inner` is the value in the body, `init` its value in the first iteration."""

    inner: Value
    init: Value


@dataclass(frozen=True, slots=True)
class Each:
    """A series as input of a loop: in iteration t, `inner` is element t of `series`."""

    inner: Value
    series: Value


HaltKind = Literal["act", "above", "below"]


@dataclass(frozen=True, slots=True)
class Halt:
    """The stopping rule of a loop: `score` is a value of its body, with axes aligned to the first axes of each carry.

    `act` is adaptive computation time (Graves 2016): a position halts in the iteration in which its scores sum to
    1 - `limit` or more, or in the last; the results are sums of the carries over its iterations, weighted by the
    scores, the last by the remainder to 1. `above` and `below` halt a position when its score passes `limit`; the
    results are the carries of that iteration. Halted positions no longer change. `ponder` is the weight of
    iterations + remainder in the training loss.
    """

    kind: HaltKind
    score: Value
    limit: float
    ponder: float = 0.0


@dataclass(frozen=True, slots=True)
class Loop:
    """`count` iterations of `body`, or at most `count` with `halt`; the body yields the next carries.

    `results` are the last carries, then the series of the emits of the body in text order; then, for a loop that halts,
    the number of iterations of each position and, under `act`, its remainder: float tensors of the score's shape.
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
        """Each emit with its series, which are results of the loop."""
        out, at = [], len(self.carries)
        for emit in self.emits:
            out.append((emit, self.results[at : at + len(emit.body.yields)]))
            at += len(emit.body.yields)
        return tuple(out)

    @property
    def halt_results(self) -> tuple[Value, ...]:
        """For a loop that halts: the number of iterations and, under `act`, the remainder."""
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
    """An output of the net; if its value is a series, `at` are the iterations of its exits in the spec's loop.

    `weights` of the loss has one number for all exits or one per exit; an output without `loss` is not trained.
    `target` is the name of its target in the data set, by default that of the output.
    """

    name: str
    value: Value
    at: IterationSet | None = None
    loss: str = ""
    weights: tuple[float, ...] = (1.0,)
    target: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its tensors: `name`, or `name@n` for exit n."""
        return (self.name,) if self.at is None else tuple(f"{self.name}@{n}" for n in self.at)


@dataclass(frozen=True)
class Net:
    """A whole network for one input size: the input of every stage after the language.

    Inputs named in `optional` default to zeros; they follow the required inputs.
    """

    name: str
    inputs: tuple[Value, ...]
    params: tuple[Param, ...]
    body: tuple[Statement, ...]
    outputs: tuple[Output, ...]
    span: Span | None = field(default=None, compare=False, repr=False)
    optional: frozenset[str] = frozenset()

    @cached_property
    def param(self) -> dict[str, Param]:
        return {param.key: param for param in self.params}

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label for output in self.outputs for label in output.labels)

    @property
    def required(self) -> tuple[Value, ...]:
        """The inputs without a default."""
        return tuple(value for value in self.inputs if value.name not in self.optional)

    def with_body(self, body: tuple[Statement, ...]) -> Net:
        return replace(self, body=body)

    def ref_type(self, ref: ParamRef) -> TensorType:
        """Type of one set of the parameter that `ref` reads."""
        return self.param[ref.key].type

    def operand_types(self, apply: Apply) -> tuple[TensorType, ...]:
        return tuple(o.tensor if isinstance(o, Value) else self.ref_type(o) for o in apply.operands)


def children(statement: Statement) -> tuple[Body, ...]:
    """The bodies nested in a statement."""
    match statement:
        case Loop(body=body) | Emit(body=body):
            return (body,)
        case When(body=body, otherwise=otherwise):
            return (body, otherwise)
        case Apply():
            return ()


def walk(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    """All statements at any depth, in pre-order."""
    for statement in statements:
        yield statement
        for body in children(statement):
            yield from walk(body.statements)


def applies(statements: tuple[Statement, ...]) -> Iterator[Apply]:
    """All operations at any depth, in text order."""
    return (s for s in walk(statements) if isinstance(s, Apply))
