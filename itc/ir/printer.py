"""Prints a net as canonical IR text, one statement per line; `itc.ir.parser` reads it back to an equal net."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from itc.ir.iterations import IterationSet
from itc.ir.net import (
    Apply,
    Body,
    Emit,
    Halt,
    Index,
    Loop,
    Net,
    Operand,
    Output,
    Param,
    ParamRef,
    Statement,
    Value,
    When,
)

INDENT = "  "
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def print_net(net: Net) -> str:
    """The text of `net`, ending in a newline."""
    return "\n".join(_Printer().net(net)) + "\n"


def attribute_text(value: object) -> str:
    """The text of an attribute: a number, boolean, word, quoted string, set or list."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return value if WORD.match(value) else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case IterationSet():
            return str(value)
        case tuple():
            return "[" + ", ".join(attribute_text(v) for v in value) + "]"
    raise AssertionError(f"no text form for {value!r}")


def attributes_text(attributes: dict[str, object]) -> str:
    """` {a = 1, b = x}`, or nothing."""
    if not attributes:
        return ""
    return " {" + ", ".join(f"{name} = {attribute_text(value)}" for name, value in attributes.items()) + "}"


class _Printer:
    """Prints statements; tracks the iterations of enclosing loops, since an index over all of them omits its set."""

    def __init__(self) -> None:
        self.loops: dict[str, IterationSet] = {}

    def net(self, net: Net) -> Iterator[str]:
        inputs = ", ".join(f"%{v.name}: {v.type}{' = zeros' if v.name in net.optional else ''}" for v in net.inputs)
        yield f"net @{net.name}({inputs}) {{"
        for param in net.params:
            yield INDENT + param_text(param)
        yield from _indented(line for s in net.body for line in self.statement(s))
        for output in net.outputs:
            yield INDENT + output_text(output)
        yield "}"

    def statement(self, statement: Statement) -> Iterator[str]:
        match statement:
            case Apply():
                yield self.apply(statement)
            case Loop():
                yield from self.loop(statement)
            case When(var=var, iterations=iterations, results=results):
                yield f"{_names(results)} = when %{var} in {iterations} {{"
                yield from self.body(statement.body)
                yield "} else {"
                yield from self.body(statement.otherwise)
                yield "}" + _types(results)
            case Emit(var=var, iterations=iterations, body=body):
                yield f"emit when %{var} in {iterations} {{"
                yield from self.body(body)
                yield "}"

    def apply(self, apply: Apply) -> str:
        operands = ", ".join(self.operand(o) for o in apply.operands)
        attributes = attributes_text(apply.op.attributes())
        results = f"{_names(apply.results)} = " if apply.results else ""
        return f"{results}{apply.op.name}({operands}){attributes}{_types(apply.results)}"

    def loop(self, loop: Loop) -> Iterator[str]:
        each = ", ".join(f"%{e.inner.name} = %{e.series.name}" for e in loop.each)
        carry = ", ".join(f"%{c.inner.name} = %{c.init.name}" for c in loop.carries)
        head = f"loop %{loop.var} in 1..{loop.count}" + (f" each ({each})" if each else "") + f" carry ({carry})"
        self.loops[loop.var] = loop.iterations
        yield f"{_names(loop.results)} = {head} {{" if loop.results else head + " {"
        yield from self.body(loop.body, halt_text(loop.halt))
        yield "}" + _types(loop.results)

    def body(self, body: Body, halt: str = "") -> Iterator[str]:
        yield from _indented(line for s in body.statements for line in self.statement(s))
        if halt:
            yield INDENT + halt
        yield INDENT + f"yield {_names(body.yields)}".rstrip()

    def operand(self, operand: Operand) -> str:
        if isinstance(operand, Value):
            return f"%{operand.name}"
        return self.ref(operand)

    def ref(self, ref: ParamRef) -> str:
        if not ref.index:
            return f"@{ref.key}"
        return f"@{ref.key}[{', '.join(self.index(i) for i in ref.index)}]"

    def index(self, index: Index | int) -> str:
        if isinstance(index, int):
            return str(index)
        every = f"/{index.every}" if index.every > 1 else ""
        over = "" if index.over == self.loops.get(index.var) else f" in {index.over}"
        step = f"{index.step}*" if index.step != 1 else ""
        offset = f"{index.offset:+}" if index.offset else ""
        return f"{step}%{index.var}{offset}{every}{over}"


def param_text(param: Param) -> str:
    sets = "".join(f"{n} x " for n in param.sets)
    return f"param @{param.key}: {sets}{param.type}" + attributes_text({"role": param.role, "init": param.init})


def halt_text(halt: Halt | None) -> str:
    if halt is None:
        return ""
    return f"halt {halt.kind} %{halt.score.name}{attributes_text({'limit': halt.limit, 'ponder': halt.ponder})}"


def output_text(output: Output) -> str:
    attributes: dict[str, object] = {"name": output.name}
    if output.at is not None:
        attributes["at"] = output.at
    if output.loss:
        attributes |= {"loss": output.loss, "weight": output.weights}
    if output.target:
        attributes["target"] = output.target
    return f"return %{output.value.name}{attributes_text(attributes)}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (INDENT + line for line in lines)


def _names(values: tuple[Value, ...]) -> str:
    return ", ".join(f"%{value.name}" for value in values)


def _types(values: tuple[Value, ...]) -> str:
    return ": " + ", ".join(str(value.type) for value in values) if values else ""
