"""The state of elaboration: of the whole net, and of each body (names, key path, enclosing loops).

Expressions and statements are elaborated by rules, one per kind of node, which the other modules of this package
register in two tables here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir import (
    Builder,
    IterationSet,
    Loop,
    Op,
    Operand,
    Output,
    ParamRef,
    SeriesType,
    Statement,
    TensorType,
    Type,
    Value,
)
from itc.ir.op import MAX_RANK
from itc.ir.ops.lookup import Take
from itc.ir.ops.rearrange import Reshape, Transpose
from itc.ir.ops.region import RoiAlign
from itc.ir.ops.shape import Stack
from itc.records import dataclass
from itc.source import Source, Span
from itc_dsl import ast
from itc_dsl.checker import Program
from itc_dsl.checker.structure import assigned_names
from itc_dsl.lowering.values import BROKEN, Broken, Items, LoopContext, Stop, Undecided, Varying, describe
from itc_dsl.program import Unit
from itc_dsl.settings import Chosen
from itc_dsl.sharing import Sharing

MAX_STEPS = 1_000_000
#: Limit for all networks of a file that are elaborated together.
MAX_STEPS_TOGETHER = 4_000_000
#: Elaboration steps per operation, in addition to its operands.
OPERATION_STEPS = 10
#: Table entries per elaboration step.
TABLE_STEP = 100
MAX_STATEMENTS = 20_000
#: Limit of elements of a tensor of one sample, or of all sets of a parameter, for exact figures.
MAX_TENSOR = 2**40
#: Limit of axes: NumPy has at most 64, including those for shards, batch and windows.
MAX_AXES = MAX_RANK
#: Limit of output tensors; each has its own figures.
MAX_OUTPUTS = 5_000
#: Number of axes of a volume.
VOLUME = 4
MAX_DEPTH = 400
MAX_FAULTS = 50
#: Different values that a trace keeps of a node.
MAX_TRACED = 4

Evaluate = Callable[["Scope", Any], object]
Execute = Callable[["Scope", Any], None]
EXPRESSIONS: dict[type[ast.Node], Evaluate] = {}
STATEMENTS: dict[type[ast.Node], Execute] = {}


def evaluates(kind: type[ast.Node]) -> Callable[[Evaluate], Evaluate]:
    """Registers the rule of one kind of expression."""

    def enter(rule: Evaluate) -> Evaluate:
        EXPRESSIONS[kind] = rule
        return rule

    return enter


def executes(kind: type[ast.Node]) -> Callable[[Execute], Execute]:
    """Registers the rule of one kind of statement."""

    def enter(rule: Execute) -> Execute:
        STATEMENTS[kind] = rule
        return rule

    return enter


class Exhausted(CompileError):
    """A limit of elaboration is exceeded; elaboration ends."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An enclosing loop of a parameter with its sharing; keys have `depth` segments outside the loop's body."""

    frame: LoopContext
    sharing: Sharing
    every: int
    depth: int


@dataclass(slots=True)
class OpenLoop:
    """The last loop of the network, to which an `emit` may add a head."""

    loop: Loop
    position: int
    ends: dict[str, Value]
    name: str
    span: Span
    made_before: int


@dataclass
class Budget:
    """The elaboration steps of all networks that are elaborated together."""

    steps: int = 0


@dataclass(eq=False)
class Trace:
    """What elaboration computes at each expression and target, in words, and the source of each value of the net."""

    values: dict[ast.Node, list[str]] = field(default_factory=dict)
    origins: dict[str, Span] = field(default_factory=dict)

    def record(self, node: ast.Node, value: object) -> None:
        """Adds a value to those of a node, which a loop or several calls reach repeatedly."""
        if isinstance(value, Broken | Undecided):
            return
        texts = self.values.setdefault(node, [])
        text = str(value.type) if isinstance(value, Value) else describe(value)
        if text not in texts and len(texts) < MAX_TRACED:
            texts.append(text)


@dataclass(eq=False)
class Lowering:
    """The state of one net's elaboration."""

    program: Program
    chosen: Chosen
    builder: Builder
    faults: list[Diagnostic] = field(default_factory=list)
    #: Errors reported only if there are no others.
    unused: list[Diagnostic] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    #: Halting outputs of top-level loops: the number of iterations of each image.
    halted: dict[str, Output] = field(default_factory=dict)
    output_spans: dict[str, Span] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    last_loop: OpenLoop | None = None
    #: The enclosing loops, and the blocks on the call stack.
    around: list[LoopContext] = field(default_factory=list)
    carried: int = 0
    open_blocks: list[ast.Block] = field(default_factory=list)
    #: The source of each value, in order of creation.
    origins: dict[str, Span] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    #: Tensors of four axes that are inputs or computed from such by elements, not maps of several regions.
    volumes: set[str] = field(default_factory=set)
    #: The parameters that `param` makes tensors, by their names, and those that layers read as their weights.
    parameters: dict[str, ParamRef] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    #: For each body, the first and last read of each name.
    reads: dict[ast.Block | ast.Network, dict[str, tuple[int, int]]] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    steps: int = 0
    depth: int = 0
    made: int = 0
    labels: int = 0
    #: Number of elements of all series.
    yielded: int = 0
    #: For editors: what expressions are.
    trace: Trace | None = None

    @property
    def source(self) -> Source:
        return self.program.main.module.source

    def fault(self, diagnostic: Diagnostic) -> None:
        """Records an error once, even if it is reached repeatedly."""
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
        """Counts the steps of operations on whole lists or tables (E0391)."""
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
        """A new value with its source span."""
        self.count(1, span)
        value = self.builder.value(type, hint)
        self.born(value, span)
        return value

    def born(self, value: Value, span: Span) -> None:
        """Records the source of a value (E0391)."""
        if not isinstance(value.type, SeriesType):
            self.ranked(value.tensor, span)
            self.sized(value.tensor.size, str(value.type), span)
        self.origins[value.name] = span
        self.order[value.name] = len(self.order)

    def ranked(self, type: TensorType, span: Span) -> None:
        """Raises Exhausted (E0391) for more axes than all backends support, including the batch."""
        if len(type.shape) > MAX_AXES:
            raise exhausted("E0391", f"a tensor of {len(type.shape)} axes, the limit is {MAX_AXES}", span)

    def sized(self, size: int, what: str, span: Span) -> None:
        """Raises Exhausted (E0391) for too many elements."""
        if size > MAX_TENSOR:
            raise exhausted("E0391", f"{what} has {size:,} elements, the limit is {MAX_TENSOR:,}", span)

    def hand_out(self, output: Output, span: Span) -> None:
        """A new output of the net; E0390 above the limit."""
        self.outputs.append(output)
        self.labels += 1 if output.at is None else len(output.at)
        if self.labels > MAX_OUTPUTS:
            message = f"a network has at most {MAX_OUTPUTS} outputs, each exit counted"
            raise Exhausted([Diagnostic("E0390", message, Label(span, "one too many"))])

    def apply(self, op: Op, operands: Sequence[Operand], span: Span, origin: Span) -> Value:
        """A new operation of the net. Raises RuleError for invalid operands; E0391 above the limit."""
        self.made += 1
        if self.made > MAX_STATEMENTS:
            raise exhausted("E0391", f"the net has more than {MAX_STATEMENTS} operations", span)
        self.count(OPERATION_STEPS + len(operands), span)
        result = self.builder.apply(op, operands, span)
        self.born(result, origin)
        if len(result.tensor.shape) == VOLUME and not isinstance(op, Reshape | Transpose | Stack | Take | RoiAlign):
            self.same_volume(result, *(value for value in operands if isinstance(value, Value)))
        return result

    def same_volume(self, result: Value, *operands: Value) -> None:
        """Records that a value is a volume if one of these is."""
        if any(value.name in self.volumes for value in operands):
            self.volumes.add(result.name)


def exhausted(code: str, message: str, span: Span, help: str = "") -> Exhausted:
    return Exhausted([Diagnostic(code, message, Label(span, "reached here"), help=help)])


@dataclass(eq=False)
class Scope:
    """The state of one body during elaboration."""

    lowering: Lowering
    unit: Unit
    definition: ast.Block | ast.Network
    names: dict[str, object] = field(default_factory=dict)
    #: Key segments of this body, and the indices of enclosing `for`s and comprehensions, added by calls.
    path: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    #: The loop of `iteration`, and the axis of exits inside an `emit`.
    loop: LoopContext | None = None
    emitting: bool = False
    exits: Axis | None = None
    #: Whether an enclosing block shares its parameters between calls.
    shared: bool = False
    #: The call in the file itself that leads to this body.
    call: Span | None = None
    arguments: dict[str, Span] = field(default_factory=dict)
    yields: list[object] = field(default_factory=list)
    score: Value | None = None
    #: The view of variables inside an `emit`.
    view: Callable[[object, Span], object] | None = None
    result: object = None
    returned: bool = False

    def value(self, expr: ast.Expr) -> object:
        """Elaborates an expression. Raises CompileError, or Stop after errors already reported."""
        self.lowering.enter(expr.span)
        try:
            value = EXPRESSIONS[type(expr)](self, expr)
            if self.lowering.trace:
                self.lowering.trace.record(expr, value)
            return value
        finally:
            self.lowering.depth -= 1

    def run(self, suite: ast.Suite) -> None:
        """Elaborates statements up to a `return`; an error is recorded and invalidates the targets of its statement."""
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
        """Marks the targets and results of a statement with an error as undefined."""
        self.names.update(dict.fromkeys(assigned_names((statement,)), BROKEN))
        if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
            self.result, self.returned = BROKEN, True
        if isinstance(statement, ast.Yield):
            self.yields.append(BROKEN)

    def located(self, diagnostic: Diagnostic) -> Diagnostic:
        """Adds, to an error in an imported block, the call in the file itself that leads there."""
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
    def at_index(self, position: int) -> Iterator[None]:
        """Inside the context, calls have this index of a `for` or comprehension in their keys."""
        outside = self.indices
        self.indices = (*outside, str(position))
        try:
            yield
        finally:
            self.indices = outside

    def integer(self, expr: ast.Expr, what: str) -> int:
        """A compile-time integer (E0305)."""
        return as_integer(self.value(expr), expr, what)


def as_integer(value: object, expr: ast.Expr | None, what: str, span: Span | None = None) -> int:
    """`value` as an integer; the help for a division is to write `//` (E0305)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    span = expr.span if expr else span
    if isinstance(value, Varying):
        message = f"{what} must be an integer" if value.values.dtype.kind != "i" else ""
        message = message or f"{what} cannot depend on `iteration`"
        raise fail("E0412", message, span, "differs between iterations")
    raise CompileError([not_an_integer(value, expr, what, span, describe(value))])


def not_an_integer(value: object, expr: ast.Expr | None, what: str, span: Span | None, found: str) -> Diagnostic:
    label = Label(span, f"this is {found}") if span else None
    message = f"{what} must be an integer"
    if isinstance(expr, ast.Binary) and expr.operator.text == "/":
        help = (
            f"`/` is floating-point division, `//` integer division: `{expr.left.span.text} // {expr.right.span.text}`"
        )
        return Diagnostic("E0305", message, label, help=help, edit=Edit(expr.operator.span, "//"))
    help = "divide with `//`, or round: `int(x)`, `round(x)`, `ceil(x)`" if isinstance(value, float) else ""
    return Diagnostic("E0305", message, label, help=help)


@contextmanager
def narrowed(frame: LoopContext, reach: IterationSet) -> Iterator[None]:
    """Inside the context, only `iterations` of a loop reach the current statement."""
    outside, frame.reach = frame.reach, reach
    try:
        yield
    finally:
        frame.reach = outside
