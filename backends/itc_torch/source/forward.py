"""The statements of `iterate`: loops stay loops, regions become conditions, outputs are yielded as they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from itc.ir import Apply, Body, Emit, Index, IterationSet, Loop, Net, Operand, Output, Statement, Value, When
from itc.ir.uses import body_reads
from itc_torch.expressions import Call, Expr, Name, Ref, called
from itc_torch.halting import halting_of
from itc_torch.inputs import optional_input
from itc_torch.lowerings import lower_op
from itc_torch.names import identifier
from itc_torch.sets import one_set, set_number
from itc_torch.source.conditions import condition, members
from itc_torch.source.expressions import code, label_text, quoted
from itc_torch.source.layout import INDENT, WIDTH, Bracket, Code
from itc_torch.source.methods import Methods, sets_of
from itc_torch.source.order import finals, handed_out, returns_at_once
from itc_torch.source.variables import Frame
from itc_torch.source.writer import Writer


class Forward(Writer):
    """Writes the body of `iterate`, or of `forward` for a net with one output; `functions` are those that it calls."""

    def __init__(self, net: Net, attribute: Callable[[str], str]) -> None:
        super().__init__(net)
        self.attribute = attribute
        self.functions: dict[Callable[..., Any], None] = {}
        self.reach: dict[str, IterationSet] = {}
        self.series: dict[int, tuple[Value, ...]] = {}
        self.handed_out = handed_out(net)
        self.finals = finals(net)
        self.methods = Methods(net)
        #: The attribute of what runs loops that halt to their end.
        self.masked = self.methods.own("masked")

    def run(self) -> list[str]:
        """The lines of the whole body."""
        alone = returns_at_once(self.net)
        with self.variables.body(self.net.body, [output.value.name for output in self.net.outputs] * alone) as frame:
            if not alone:
                self.needed_until_yielded(frame)
            self.optional_inputs()
            self.final_outputs(-1)
            self.statements(self.net.body, frame, after=self.final_outputs)
            if alone:
                self.write(Bracket("{", (f"{quoted(self.net.labels[0])}: {self.last_variable()}",), "}"), "return ")
        return self.out

    def last_variable(self) -> str:
        return self.variables.of(self.net.outputs[0].value.name)

    def needed_until_yielded(self, frame: Frame) -> None:
        """An output is read behind the statement that defines it."""
        for position, outputs in self.finals.items():
            for output in outputs:
                frame.last[output.value.name] = max(position + 1, frame.last.get(output.value.name, 0))

    def optional_inputs(self) -> None:
        """Omitted inputs are zeros."""
        names = dict(zip(self.net.inputs, self.arguments, strict=True))
        first = self.net.inputs[:1]
        for value in self.net.inputs[len(self.net.required) :]:
            lowered = optional_input(value, Name(names[value]), first[0], Name(names[first[0]]))
            self.functions |= dict.fromkeys(called(lowered))
            self.write(code(lowered), f"{names[value]} = ")

    # Operations

    def statements(
        self, statements: Sequence[Statement], frame: Frame, after: Callable[[int], None] = lambda _: None
    ) -> None:
        """Writes statements, and what comes `after` each, by its position."""
        self.want_carries(statements, frame)
        for frame.at, statement in enumerate(statements):
            match statement:
                case Apply():
                    self.apply(statement, frame, statements)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    self.emit(statement)
            after(frame.at)
        frame.at = len(statements)

    def want_carries(self, statements: Sequence[Statement], frame: Frame) -> None:
        """What only starts a carry is made in the carry's variable."""
        for at, statement in enumerate(statements):
            if isinstance(statement, Loop):
                for carry in statement.carries:
                    name = carry.init.name
                    alone = frame.last[name] == at and name not in body_reads(statement.body)
                    if alone and not self.variables.knows(name) and name not in self.wanted:
                        self.wanted[name] = self.variables.fresh(_hint(carry.inner, "state"))

    def apply(self, apply: Apply, frame: Frame, statements: Sequence[Statement]) -> None:
        expression = self.expression(apply)
        following = statements[frame.at + 1] if frame.at + 1 < len(statements) else None
        at_once = frame.last.get(apply.result.name) == frame.at + 1
        chained = at_once and (isinstance(following, Apply) or (following is None and frame.hands_out))
        variable = self.place(apply.result, _hint(apply.result, _layer(apply)), chained)
        if str(expression) != variable:
            self.write(expression, f"{variable} = ")

    def expression(self, apply: Apply) -> Code:
        method = self.methods.name(apply)
        lowered = lower_op(apply.op, tuple(map(self.operand, apply.operands)))
        self.functions |= dict.fromkeys(called(lowered))
        if not method:
            return code(lowered)
        values = (self.variables.of(value.name) for value in apply.values)
        layer = self.attribute(apply.refs[0].key.rpartition(".")[0])
        return Bracket(f"self.{method}(", (*values, layer, *(code(self.set_number(i)) for i in sets_of(apply))))

    def operand(self, operand: Operand) -> Ref:
        if isinstance(operand, Value):
            return Ref(self.variables.of(operand.name), operand.tensor)
        type = self.net.ref_type(operand)
        whole = Ref(self.attribute(operand.key), type)
        return Ref(code(one_set(whole, tuple(map(self.set_number, operand.index)))), type)

    def set_number(self, index: Index | int) -> Expr:
        if isinstance(index, int):
            return index
        number = set_number(index, Name(self.iteration[index.var]))
        if number != 0:
            self.read.add(index.var)
        if isinstance(number, Call) and number.function == "index":
            return Call("index", (Name(members(number.args[0], self.constant)), number.args[1]))
        return number

    # Regions

    def when(self, when: When) -> None:
        variables = self.result_variables(when)
        reached = self.reach[when.var]
        rest = reached.difference(when.iterations)
        chosen = self.branch(when, when.body, when.iterations, variables, deeper=bool(rest.runs))
        other = self.branch(when, when.otherwise, rest, variables) if rest.runs else []
        if not chosen:
            chosen, other, rest = other, chosen, when.iterations
        self.region(when.var, reached.difference(rest), chosen, other)
        for result, variable in zip(when.results, variables, strict=True):
            self.variables.bind(result.name, variable)

    def region(self, var: str, chosen: IterationSet, body: list[str], otherwise: Sequence[str] = ()) -> None:
        """Lines that run in the iterations of `chosen`, and others that run in the rest."""
        if not body:
            return
        text = condition(self.iteration[var], chosen, self.reach[var], self.constant)
        if body == otherwise:
            text, body, otherwise = "", [line.removeprefix(INDENT) for line in body], []
        if text:
            self.read.add(var)
        choice = self.choice(text, body, otherwise)
        if choice:
            self.out.append(choice)
            return
        if text:
            self.write(f"if {text}:")
        self.out += body
        if otherwise:
            self.write("else:")
            self.out += otherwise

    def choice(self, text: str, body: Sequence[str], otherwise: Sequence[str]) -> str:
        """The line of a conditional expression, where both sides are one assignment to the same variable."""
        if not len(body) == len(otherwise) == 1:
            return ""
        (target, _, value), (other, _, instead) = (line.strip().partition(" = ") for line in (body[0], otherwise[0]))
        line = f"{INDENT * self.indent}{target} = {value} if {text} else {instead}"
        return line if target == other and " if " not in body[0] + otherwise[0] and len(line) <= WIDTH else ""

    def result_variables(self, when: When) -> list[str]:
        """For each result a variable that is free behind the region: best one that a branch hands through as it is."""
        taken: list[str] = []
        for result, *yields in zip(when.results, when.otherwise.yields, when.body.yields, strict=True):
            through = [self.variables.of(value.name) for value in yields if self.variables.knows(value.name)]
            candidates = [*([self.wanted[result.name]] if result.name in self.wanted else []), *through]
            free = (name for name in candidates if name not in (*taken, *self.arguments) and self.variables.free(name))
            hint = next((_hint(value, "") for value in (result, *yields) if _hint(value, "")), "merged")
            taken.append(next(free, None) or self.variables.fresh(hint))
        return taken

    def branch(
        self, when: When, body: Body, iterations: IterationSet, variables: list[str], deeper: bool = True
    ) -> list[str]:
        """The lines of one side of a region; they leave what it yields in `variables`."""
        self.wanted |= {value.name: variable for value, variable in zip(body.yields, variables, strict=True)}
        values = [value.name for value in body.yields]
        scope = self.variables.body(body.statements, values)
        with self.inside(when.var, iterations), self.block(deeper) as out, scope as frame:
            self.statements(body.statements, frame)
            self.assign([(v, self.variables.of(y)) for v, y in zip(variables, values, strict=True)])
        return out

    @contextmanager
    def inside(self, var: str, iterations: IterationSet) -> Iterator[None]:
        reached = self.reach[var]
        self.reach[var] = iterations
        yield
        self.reach[var] = reached

    def emit(self, emit: Emit) -> None:
        always = emit.iterations == self.reach[emit.var]
        scope = self.variables.body(emit.body.statements, [value.name for value in emit.body.yields])
        with self.inside(emit.var, emit.iterations), self.block(deeper=not always) as out, scope as frame:
            frame.hands_out = True
            self.statements(emit.body.statements, frame)
            for value, series in zip(emit.body.yields, self.series[id(emit)], strict=True):
                self.collect(emit, self.variables.of(value.name), series)
        self.region(emit.var, emit.iterations, out)

    def collect(self, emit: Emit, variable: str, series: Value) -> None:
        """Hands an element of a series out, and keeps it if something reads the series later."""
        for output in self.handed_out.get(series.name, ()):
            self.write(f"yield {self.exit_label(output, emit)}, {variable}")
        if self.variables.knows(series.name):
            self.write(f"{self.variables.of(series.name)}.append({variable})")

    def exit_label(self, output: Output, emit: Emit) -> str:
        """The label of what an iteration hands out: exits are iterations of the loop, or of what it was a part of."""
        first, *more = zip(emit.iterations, output.at or emit.iterations, strict=True)
        step = (more[0][1] - first[1]) // (more[0][0] - first[0]) if more else 1
        offset = first[1] - step * first[0]
        assert all(step * t + offset == n for t, n in more), output
        variable = self.loop_variable(emit.var)
        scaled = variable if step == 1 else f"{step} * {variable}"
        return label_text(output.name, f"{scaled} {'-' if offset < 0 else '+'} {abs(offset)}" if offset else scaled)

    # Loops

    def loop(self, loop: Loop) -> None:
        for emit, results in loop.collected:
            self.series[id(emit)] = results
            self.lists(results)
        carried = self.start_carries(loop)
        self.iteration[loop.var] = self.variables.fresh(identifier(loop.var))
        self.reach[loop.var] = loop.iterations
        halting = self.start_halting(loop)
        body = self.loop_body(loop, carried, halting)
        var = self.iteration[loop.var] if loop.var in self.read else "_"
        self.write(f"for {var} in range({f'1, {loop.count + 1}' if var != '_' else loop.count}):")
        self.out += body or [INDENT * (self.indent + 1) + "pass"]
        for result, variable in zip(loop.carry_results, carried, strict=True):
            self.variables.bind(result.name, variable)
        if loop.halt:
            self.halted(loop, carried, halting)

    def start_halting(self, loop: Loop) -> str:
        """The variable of what decides who halts; none for a loop that runs all its iterations."""
        if loop.halt is None:
            return ""
        halting = self.variables.fresh("halting")
        self.write(code(halting_of(loop)), f"{halting} = ")
        return halting

    def halted(self, loop: Loop, carried: list[str], halting: str) -> None:
        """Assigns the results of a loop that halts."""
        live = (self.variables.live(value.name) for value in loop.halt_results)
        taken = [
            self.define(value, _hint(value, "halted")) if is_live else "_"
            for value, is_live in zip(loop.halt_results, live, strict=True)
        ]
        self.write(f"{_tuple(carried, *taken)} = {halting}.results({_bracketed(carried)})")

    def lists(self, results: tuple[Value, ...]) -> None:
        """An empty list for each series that something reads behind the loop."""
        for series in results:
            if self.variables.live(series.name):
                self.write(f"{self.define(series, _hint(series, 'series'))}: list[Tensor] = []")

    def start_carries(self, loop: Loop) -> list[str]:
        """The variables of the carries, with their initial values."""
        inside = body_reads(loop.body)
        taken: list[str] = []
        for carry, result in zip(loop.carries, loop.carry_results, strict=True):
            hint = _hint(carry.inner, "state")
            own = self.variables.of(carry.init.name)
            candidates = [self.wanted.get(result.name, ""), own if own.startswith(hint) else ""]
            free = (name for name in candidates if name and name not in taken and self.variables.free(name, inside))
            taken.append(next(free, None) or self.variables.fresh(hint))
        self.assign([(v, self.variables.of(c.init.name)) for v, c in zip(taken, loop.carries, strict=True)])
        return taken

    def loop_body(self, loop: Loop, carried: list[str], halting: str) -> list[str]:
        for carry, variable in zip(loop.carries, carried, strict=True):
            self.variables.bind(carry.inner.name, variable)
        inner = {carry.inner.name for carry in loop.carries}
        yields = [value.name for value in loop.body.yields]
        kept = list(yields)
        if loop.halt:
            kept += [loop.halt.score.name, *inner]
        else:
            self.wanted |= dict(zip(yields, carried, strict=True))
        again = body_reads(loop.body) - inner
        with self.block() as out, self.variables.body(loop.body.statements, kept, again) as frame:
            for each in loop.each:
                series, at = self.variables.of(each.series.name), self.loop_variable(loop.var)
                self.write(f"{self.define(each.inner, _hint(each.inner, 'element'))} = {series}[{at} - 1]")
            self.statements(loop.body.statements, frame)
            if loop.halt:
                self.step(loop, carried, halting)
            else:
                self.assign([(v, self.variables.of(y)) for v, y in zip(carried, yields, strict=True)])
        return out

    def step(self, loop: Loop, carried: list[str], halting: str) -> None:
        """The end of an iteration of a loop that halts."""
        assert loop.halt
        after = [self.variables.of(value.name) for value in loop.body.yields]
        score = self.variables.of(loop.halt.score.name)
        items = (self.loop_variable(loop.var), score, _bracketed(carried), _bracketed(after))
        self.write(Bracket(f"{halting}.step(", items), f"{_tuple(carried)} = ")
        self.write(f"if not (self.{self.masked} or self.training or {halting}.running.any()):")
        self.write(f"{INDENT}break")

    # Outputs

    def final_outputs(self, position: int) -> None:
        """Yields the outputs that the statement of a position of the net defines, other than in a loop's iterations."""
        for output in [] if returns_at_once(self.net) else self.finals.get(position, ()):
            variable = self.variables.of(output.value.name)
            for number, label in enumerate(output.labels):
                element = variable if output.at is None else f"{variable}[{number}]"
                self.write(f"yield {quoted(label)}, {element}")


def _tuple(names: Sequence[str], *more: str) -> str:
    """The left side of a tuple assignment."""
    return _bracketed(names) if len(names) + len(more) == 1 else ", ".join((*names, *more))


def _bracketed(names: Sequence[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"


def _hint(value: Value, fallback: str) -> str:
    """The user's name for a value."""
    return fallback if value.name.isdigit() else identifier(value.name)


def _layer(apply: Apply) -> str:
    """A name after what an operation is: its layer's in the checkpoint, or its own."""
    if not apply.refs:
        return identifier(apply.op.name)
    named = [part for part in apply.refs[0].key.split(".")[:-1] if not part.isdigit()]
    return identifier(named[-1].rstrip("0123456789").rstrip("_") or apply.op.name) if named else apply.op.name
