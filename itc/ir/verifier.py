"""Checks that a net is well formed: definitions before uses, types by the rules, set indices in range."""

from __future__ import annotations

import re

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Body, Emit, Index, Loop, Net, Output, ParamRef, Statement, Value, When, walk
from itc.ir.op import RuleError, known_init
from itc.ir.rules import check_arity
from itc.ir.types import SeriesType, TensorType, Type
from itc.ir.uses import results
from itc.source import Span

#: Names of nets and values, and segments of keys.
WORD = re.compile(r"[A-Za-z0-9_]+")
NAMES = "names consist of at most 1,000 letters, digits and `_`"
MAX_NAME = 1000
MAX_PARTS = 256
SHOWN = 60


def verify(net: Net) -> Net:
    """Returns `net` if it is well formed, else raises CompileError with one diagnostic (E0160) per fault."""
    checker = _Verifier(net)
    checker.run()
    if checker.faults:
        raise CompileError(checker.faults)
    return net


class _Verifier:
    """Walks the net; tracks the values in scope and the reaching iterations of each enclosing loop."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.faults: list[Diagnostic] = []
        self.scope: dict[str, Value] = {}
        self.reach: dict[str, IterationSet] = {}
        self.taken: set[str] = set()

    def fault(self, message: str, span: Span | None) -> None:
        self.faults.append(Diagnostic("E0160", message, Label(span) if span else None))

    def run(self) -> None:
        self.names()
        self.define(self.net.inputs, self.net.span)
        self.inputs()
        if len(self.net.param) < len(self.net.params):
            self.fault("two parameters have the same key", self.net.span)
        self.statements(self.net.body, loop=None)
        for output in self.net.outputs:
            self.output(output)
        if len(set(self.net.labels)) < len(self.net.labels):
            self.fault("two outputs have the same name", self.net.span)
        self.params()

    def names(self) -> None:
        """Names and segments of keys are words; names of outputs are any printable text."""
        loops = [statement for statement in walk(self.net.body) if isinstance(statement, Loop)]
        carried = [carry.inner for loop in loops for carry in loop.carries]
        walked = [each.inner for loop in loops for each in loop.each]
        values = [*self.net.inputs, *carried, *walked, *(value for s in walk(self.net.body) for value in results(s))]
        for name in (self.net.name, *(value.name for value in values), *(loop.var for loop in loops)):
            if not _word(name):
                self.fault(f"`{_short(name)}` is not a name: {NAMES}", self.net.span)
        for key in self.net.param:
            parts = key.split(".")
            if not all(map(_word, parts)):
                self.fault(
                    f"`{_short(key)}` is not a key: {NAMES}, and dots separate the segments of a key", self.net.span
                )
            elif len(parts) > MAX_PARTS:
                self.fault(
                    f"the key `{_short(key)}` has {len(parts)} segments, at most {MAX_PARTS} are allowed", self.net.span
                )
        for label in (name for output in self.net.outputs for name in (output.name, output.target)):
            if not label.isprintable() or len(label) > MAX_NAME:
                self.fault(f"`{_short(label)}` is not a valid name of an output", self.net.span)

    def inputs(self) -> None:
        names = [value.name for value in self.net.inputs]
        if set(names[len(self.net.required) :]) != self.net.optional or (names and not self.net.required):
            self.fault("optional inputs follow all required inputs, of which there is at least one", self.net.span)

    def params(self) -> None:
        used = {ref.key for s in walk(self.net.body) if isinstance(s, Apply) for ref in s.refs}
        for param in self.net.params:
            if param.key not in used:
                self.fault(f"no operation reads @{param.key}", self.net.span)
            if param.set_count < 1:
                self.fault(f"@{param.key} has no sets", self.net.span)
            if not known_init(param.init, param.shape):
                self.fault(f"@{param.key} has an unknown init `{param.init}`", self.net.span)

    def output(self, output: Output) -> None:
        self.use(output.value, self.net.span)
        type = output.value.type
        exits = 1 if output.at is None else len(output.at)
        if isinstance(type, SeriesType) != (output.at is not None) or (
            isinstance(type, SeriesType) and type.count != exits
        ):
            self.fault(f"output {output.name} of {type} has {exits} exits", self.net.span)
        if len(output.weights) not in (1, exits):
            self.fault(f"output {output.name} has {len(output.weights)} loss weights for {exits} exits", self.net.span)

    def define(self, values: tuple[Value, ...], span: Span | None) -> None:
        for value in values:
            if value.name in self.taken:
                self.fault(f"%{value.name} is defined twice", span)
            self.taken.add(value.name)
            self.scope[value.name] = value

    def use(self, value: Value, span: Span | None) -> None:
        if self.scope.get(value.name) != value:
            self.fault(f"%{value.name}: {value.type} is not in scope", span)

    def statements(self, statements: tuple[Statement, ...], loop: Loop | None) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    self.emit(statement, loop)

    def apply(self, apply: Apply) -> None:
        for value in apply.values:
            self.use(value, apply.span)
            if not isinstance(value.type, TensorType):
                self.fault(f"`{apply.op.name}` takes tensors, %{value.name} is a series", apply.span)
                return
        if not all(self.ref(ref, apply.span) for ref in apply.refs):
            return
        try:
            check_arity(apply.op, len(apply.operands))
            expected = apply.op.result_types(*self.net.operand_types(apply))
        except RuleError as error:
            self.fault(error.message, apply.span)
            return
        self.types("the result types are", expected, apply.results, apply.span)
        self.define(apply.results, apply.span)

    def ref(self, ref: ParamRef, span: Span | None) -> bool:
        param = self.net.param.get(ref.key)
        if param is None or len(ref.index) != len(param.sets):
            self.fault(f"@{ref.key} is not declared with {len(ref.index)} set axes", span)
            return False
        for index, sets in zip(ref.index, param.sets, strict=True):
            self.index(ref, index, sets, span)
        return True

    def index(self, ref: ParamRef, index: Index | int, sets: int, span: Span | None) -> None:
        if isinstance(index, int):
            if not 0 <= index < sets:
                self.fault(f"@{ref.key} has {sets} sets, no set {index}", span)
            return
        if index.var not in self.reach:
            self.fault(f"@{ref.key} is indexed by %{index.var}, which is not the variable of an enclosing loop", span)
        elif not _within(self.reach[index.var], index):
            self.fault(f"@{ref.key} has no set for some iterations that read it", span)
        elif index.count != sets:
            self.fault(f"@{ref.key} has {sets} sets, its index needs {index.count}", span)

    def types(self, what: str, expected: tuple[Type, ...], values: tuple[Value, ...], span: Span | None) -> None:
        if expected != tuple(value.type for value in values):
            shown = ", ".join(map(str, expected)) or "nothing"
            self.fault(f"{what} {shown}, not {', '.join(str(v.type) for v in values) or 'nothing'}", span)

    def body(self, body: Body, loop: Loop | None, span: Span | None) -> None:
        outside = len(self.scope)
        self.statements(body.statements, loop)
        for value in body.yields:
            self.use(value, span)
        self.leave(outside)

    def leave(self, outside: int) -> None:
        """Removes the values defined in a body from the scope, keeping the first `outside`."""
        while len(self.scope) > outside:
            self.scope.popitem()

    def loop(self, loop: Loop) -> None:
        for carry in loop.carries:
            self.use(carry.init, loop.span)
            self.types("the initial value of a carry is", (carry.init.type,), (carry.inner,), loop.span)
        for each in loop.each:
            self.use(each.series, loop.span)
            self.types("the elements of the series are", _elements(each.series, loop.count), (each.inner,), loop.span)
        if loop.var in self.reach or loop.var in self.taken:
            self.fault(f"%{loop.var} is defined twice", loop.span)
        self.taken.add(loop.var)
        outside = len(self.scope)
        self.reach[loop.var] = loop.iterations
        self.define(tuple(e.inner for e in loop.each) + tuple(c.inner for c in loop.carries), loop.span)
        self.body(loop.body, loop, loop.span)
        self.halt(loop)
        del self.reach[loop.var]
        self.leave(outside)
        self.types(
            "the body yields", tuple(v.type for v in loop.body.yields), tuple(c.inner for c in loop.carries), loop.span
        )
        self.types("the results of the loop are", _loop_types(loop), loop.results, loop.span)
        self.define(loop.results, loop.span)

    def halt(self, loop: Loop) -> None:
        if loop.halt is None:
            return
        score = loop.halt.score
        if not any(score in results(statement) for statement in loop.body.statements):
            self.fault(f"the score %{score.name} is not defined in the body", loop.span)
        for carry in loop.carries:
            if not aligned(score.type, carry.inner.type):
                self.fault(f"a score {score.type} does not match the axes of a carry {carry.inner.type}", loop.span)
        if loop.emits:
            self.fault("a loop that halts cannot contain `emit`", loop.span)

    def when(self, when: When) -> None:
        reached = self.reach.get(when.var)
        if reached is None or when.iterations.difference(reached).runs or not when.iterations.runs:
            self.fault(
                f"{when.iterations} is not a set of iterations of %{when.var} that reach this statement", when.span
            )
            reached = when.iterations
        for body, iterations in ((when.body, when.iterations), (when.otherwise, reached.difference(when.iterations))):
            self.reach[when.var] = iterations
            self.body(body, None, when.span)
            self.types("a branch yields", tuple(v.type for v in body.yields), when.results, when.span)
        self.reach[when.var] = reached
        self.define(when.results, when.span)

    def emit(self, emit: Emit, loop: Loop | None) -> None:
        if loop is None or emit.var != loop.var:
            self.fault(f"an emit over %{emit.var} must be directly in the body of that loop", emit.span)
            return
        if emit.iterations.difference(loop.iterations).runs or not emit.iterations.runs:
            self.fault(f"{emit.iterations} is not a set of iterations of 1..{loop.count}", emit.span)
        self.reach[emit.var] = emit.iterations
        self.body(emit.body, None, emit.span)
        self.reach[emit.var] = loop.iterations


def _word(name: str) -> bool:
    return len(name) <= MAX_NAME and WORD.fullmatch(name) is not None


def _short(name: str) -> str:
    return name if len(name) <= SHOWN else f"{name[:SHOWN]}..."


def _within(reach: IterationSet, index: Index) -> bool:
    """Whether every iteration that reaches the statement reads a set."""
    read = reach.image(index.step, index.offset) if index.step > 0 else IterationSet(())
    return len(read) == len(reach) and read.intersection(index.over) == read


def _elements(series: Value, count: int) -> tuple[Type, ...]:
    fits = isinstance(series.type, SeriesType) and series.type.count == count
    return (series.type.element,) if fits and isinstance(series.type, SeriesType) else ()


def _loop_types(loop: Loop) -> tuple[Type, ...]:
    series = tuple(SeriesType(len(emit.iterations), value.tensor) for emit in loop.emits for value in emit.body.yields)
    halted = (loop.halt.score.type,) * loop.halt_count if loop.halt else ()
    return tuple(c.inner.type for c in loop.carries) + series + halted


def aligned(score: Type, carry: Type) -> bool:
    """Whether each axis of a score is 1 or equal to the corresponding axis of the carry, from the first on."""
    if not isinstance(score, TensorType) or not isinstance(carry, TensorType) or len(score.shape) > len(carry.shape):
        return False
    return all(s in (1, c) for s, c in zip(score.shape, carry.shape, strict=False))
