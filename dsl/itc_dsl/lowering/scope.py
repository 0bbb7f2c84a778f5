"""Where elaboration stands: the state of the whole net, and for each body its names, key path and loops around.

Expressions and statements are elaborated by rules, one for each kind of node, which the other modules of this package
enter into the two tables here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir import Builder, IterationSet, Loop, Op, Operand, Output, SeriesType, Statement, TensorType, Type, Value
from itc.source import Source, Span
from itc_dsl import ast
from itc_dsl.checker import Program
from itc_dsl.checker.structure import assigned_names
from itc_dsl.lowering.values import BROKEN, Frame, Items, Stop, Varying, describe
from itc_dsl.program import Unit
from itc_dsl.settings import Chosen
from itc_dsl.sharing import Sharing

MAX_STEPS = 1_000_000
#: Of all networks of a file that are elaborated together.
MAX_STEPS_TOGETHER = 4_000_000
#: How many steps an operation is beside its operands.
OPERATION_STEPS = 10
#: How many entries of a table are a step.
TABLE_STEP = 100
MAX_STATEMENTS = 20_000
#: Elements of a tensor of one sample, or of all sets of a parameter: what bytes and cycles are counted from.
MAX_TENSOR = 2**40
#: NumPy's arrays have at most 64 axes: those of a tensor, and those of shards, batch and windows.
MAX_AXES = 32
#: Single tensors that a network hands out; each has figures of its own.
MAX_OUTPUTS = 5_000
MAX_DEPTH = 400
MAX_FAULTS = 50

Evaluate = Callable[["Scope", Any], object]
Execute = Callable[["Scope", Any], None]
EXPRESSIONS: dict[type[ast.Node], Evaluate] = {}
STATEMENTS: dict[type[ast.Node], Execute] = {}


def evaluates(kind: type[ast.Node]) -> Callable[[Evaluate], Evaluate]:
    """Enters the rule of one kind of expression."""

    def enter(rule: Evaluate) -> Evaluate:
        EXPRESSIONS[kind] = rule
        return rule

    return enter


def executes(kind: type[ast.Node]) -> Callable[[Execute], Execute]:
    """Enters the rule of one kind of statement."""

    def enter(rule: Execute) -> Execute:
        STATEMENTS[kind] = rule
        return rule

    return enter


class Exhausted(CompileError):
    """A bound of elaboration is hit: nothing more is tried."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop around a parameter with what its `@share` says; keys have `depth` segments outside of the loop's body."""

    frame: Frame
    sharing: Sharing
    every: int
    depth: int


@dataclass(slots=True)
class OpenLoop:
    """The last loop of the network, which an `emit` may still put a head into."""

    loop: Loop
    position: int
    ends: dict[str, Value]
    name: str
    span: Span
    made_before: int


@dataclass
class Budget:
    """The steps that the elaboration of all networks has taken that are elaborated together."""

    steps: int = 0


@dataclass(eq=False)
class Lowering:
    """The state of one net's elaboration."""

    program: Program
    chosen: Chosen
    builder: Builder
    faults: list[Diagnostic] = field(default_factory=list)
    #: What is wrong if nothing else is.
    unused: list[Diagnostic] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    #: What the loops of the network itself that halt hand out: how long each image ran.
    halted: dict[str, Output] = field(default_factory=dict)
    output_spans: dict[str, Span] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    last_loop: OpenLoop | None = None
    #: The loops around the current place, and the blocks whose calls are open.
    around: list[Frame] = field(default_factory=list)
    carried: int = 0
    open_blocks: list[ast.Block] = field(default_factory=list)
    #: Where each value comes from, in the order in which they were made.
    origins: dict[str, Span] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    #: For each body where it reads each name first and last.
    reads: dict[ast.Block | ast.Network, dict[str, tuple[int, int]]] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    steps: int = 0
    depth: int = 0
    made: int = 0
    labels: int = 0
    #: Elements of the series that loops yield.
    yielded: int = 0

    @property
    def source(self) -> Source:
        return self.program.main.module.source

    def fault(self, diagnostic: Diagnostic) -> None:
        """Notes a mistake, once, even if a loop comes by it many times."""
        same = (diagnostic.code, diagnostic.message, diagnostic.primary and diagnostic.primary.span)
        if same not in [(f.code, f.message, f.primary and f.primary.span) for f in self.faults]:
            self.faults.append(diagnostic)
        if len(self.faults) >= MAX_FAULTS:
            raise Exhausted(self.faults)

    def enter(self, span: Span) -> None:
        """Counts a step of elaboration (E0391, E0392)."""
        self.count(1, span)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise exhausted("E0392", f"calls and expressions nest deeper than {MAX_DEPTH}", span)

    def spend(self, span: Span, *values: object) -> None:
        """Counts the steps of something that goes through whole lists or tables (E0391)."""
        for value in values:
            if isinstance(value, Items):
                self.count(value.size, span)
            elif isinstance(value, Varying):
                self.count(len(value.values) // TABLE_STEP, span)

    def count(self, steps: int, span: Span) -> None:
        """Counts steps (E0391)."""
        self.steps += steps
        self.budget.steps += steps
        if self.steps > MAX_STEPS:
            raise exhausted("E0391", f"elaborating this spec takes more than {MAX_STEPS} steps", span)
        if self.budget.steps > MAX_STEPS_TOGETHER:
            message = f"elaborating the networks of this spec takes more than {MAX_STEPS_TOGETHER} steps"
            raise exhausted("E0391", message, span, "check them one by one, with --network")

    def value(self, type: Type, hint: str, span: Span) -> Value:
        """A new value that comes from `span`."""
        self.count(1, span)
        value = self.builder.value(type, hint)
        self.born(value, span)
        return value

    def born(self, value: Value, span: Span) -> None:
        """Notes where a value comes from (E0391)."""
        if not isinstance(value.type, SeriesType):
            self.ranked(value.tensor, span)
            self.sized(value.tensor.size, str(value.type), span)
        self.origins[value.name] = span
        self.order[value.name] = len(self.order)

    def ranked(self, type: TensorType, span: Span) -> None:
        """Raises Exhausted (E0391) for more axes than arrays can have in every backend, the batch among them."""
        if len(type.shape) > MAX_AXES:
            raise exhausted("E0391", f"a tensor of {len(type.shape)} axes, at most {MAX_AXES} are possible", span)

    def sized(self, size: int, what: str, span: Span) -> None:
        """Raises Exhausted (E0391) for more elements than anything can hold."""
        if size > MAX_TENSOR:
            raise exhausted("E0391", f"{what} has {size:,} elements, at most {MAX_TENSOR:,} are possible", span)

    def hand_out(self, output: Output, span: Span) -> None:
        """A new output of the net; E0390 past the bound."""
        self.outputs.append(output)
        self.labels += 1 if output.at is None else len(output.at)
        if self.labels > MAX_OUTPUTS:
            message = f"a network has at most {MAX_OUTPUTS} outputs, each exit counted"
            raise Exhausted([Diagnostic("E0390", message, Label(span, "one too many"))])

    def apply(self, op: Op, operands: Sequence[Operand], span: Span, origin: Span) -> Value:
        """A new operation of the net. RuleError where the operands do not fit; E0391 past the bound."""
        self.made += 1
        if self.made > MAX_STATEMENTS:
            raise exhausted("E0391", f"the net has more than {MAX_STATEMENTS} operations", span)
        self.count(OPERATION_STEPS + len(operands), span)
        result = self.builder.apply(op, operands, span)
        self.born(result, origin)
        return result


def exhausted(code: str, message: str, span: Span, help: str = "") -> Exhausted:
    return Exhausted([Diagnostic(code, message, Label(span, "reached here"), help=help)])


@dataclass(eq=False)
class Scope:
    """One body that is being elaborated."""

    lowering: Lowering
    unit: Unit
    definition: ast.Block | ast.Network
    names: dict[str, object] = field(default_factory=dict)
    #: Segments of the keys made here, and the positions in the `for`s and comprehensions around, which calls add.
    path: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    #: The loop that `iteration` counts, and the exits' axis inside of an `emit`.
    loop: Frame | None = None
    emitting: bool = False
    exits: Axis | None = None
    #: Whether a block around shares its parameters between calls.
    shared: bool = False
    #: The call that leads here, as seen from the file itself.
    call: Span | None = None
    arguments: dict[str, Span] = field(default_factory=dict)
    yields: list[object] = field(default_factory=list)
    score: Value | None = None
    #: How variables look from inside an `emit`.
    view: Callable[[object, Span], object] | None = None
    result: object = None
    returned: bool = False

    def value(self, expr: ast.Expr) -> object:
        """Elaborates an expression. Raises CompileError, or Stop for mistakes that are reported already."""
        self.lowering.enter(expr.span)
        try:
            return EXPRESSIONS[type(expr)](self, expr)
        finally:
            self.lowering.depth -= 1

    def run(self, suite: ast.Suite) -> None:
        """Elaborates statements up to a `return`; each mistake is noted and breaks what its statement assigns."""
        for statement in suite:
            if self.returned:
                return
            self.lowering.enter(statement.span)
            try:
                STATEMENTS[type(statement)](self, statement)
            except Exhausted:
                raise
            except CompileError as error:
                for diagnostic in error.diagnostics:
                    self.lowering.fault(self.located(diagnostic))
                self.broken(statement)
            except Stop:
                self.broken(statement)
            finally:
                self.lowering.depth -= 1

    def broken(self, statement: ast.Statement) -> None:
        """What a statement with a mistake would have assigned, returned or collected stays without a value."""
        self.names.update(dict.fromkeys(assigned_names((statement,)), BROKEN))
        if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
            self.result, self.returned = BROKEN, True
        if isinstance(statement, ast.Yield):
            self.yields.append(BROKEN)

    def located(self, diagnostic: Diagnostic) -> Diagnostic:
        """A mistake inside of an imported block, with the call in the file itself that leads there."""
        primary = diagnostic.primary
        if primary is None or self.call is None or primary.span.source is self.lowering.source:
            return diagnostic
        if any(label.span == self.call for label in diagnostic.secondary):
            return diagnostic
        return replace(diagnostic, secondary=(*diagnostic.secondary, Label(self.call, "in this call")))

    def origin(self, span: Span) -> Span:
        """`span`, or the call in the file itself that leads to it."""
        return span if span.source is self.lowering.source or self.call is None else self.call

    @contextmanager
    def place(self, position: int) -> Iterator[None]:
        """Inside, calls are at this position of a `for` or comprehension."""
        outside = self.places
        self.places = (*outside, str(position))
        try:
            yield
        finally:
            self.places = outside

    def integer(self, expr: ast.Expr, what: str) -> int:
        """A compile-time integer (E0305)."""
        return as_integer(self.value(expr), expr, what)


def as_integer(value: object, expr: ast.Expr | None, what: str, span: Span | None = None) -> int:
    """`value` as an integer; the help for a division is to write `//` (E0305)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    span = expr.span if expr else span
    if isinstance(value, Varying):
        message = f"{what} has to be an integer" if value.values.dtype.kind != "i" else ""
        message = message or f"{what} cannot depend on `iteration`"
        raise fail("E0412", message, span, "differs between iterations")
    raise CompileError([not_an_integer(value, expr, what, span, describe(value))])


def not_an_integer(value: object, expr: ast.Expr | None, what: str, span: Span | None, found: str) -> Diagnostic:
    label = Label(span, f"this is {found}") if span else None
    message = f"{what} has to be an integer"
    if isinstance(expr, ast.Binary) and expr.operator.text == "/":
        help = f"`/` gives a number with a fraction, `//` an integer: `{expr.left.span.text} // {expr.right.span.text}`"
        return Diagnostic("E0305", message, label, help=help, edit=Edit(expr.operator.span, "//"))
    help = "divide with `//`, or round: `int(x)`, `round(x)`, `ceil(x)`" if isinstance(value, float) else ""
    return Diagnostic("E0305", message, label, help=help)


@contextmanager
def narrowed(frame: Frame, reach: IterationSet) -> Iterator[None]:
    """Inside, fewer iterations of a loop come to the current place."""
    outside, frame.reach = frame.reach, reach
    try:
        yield
    finally:
        frame.reach = outside
