"""Checks, without evaluation, that names are defined and that calls match signatures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from itc.diagnostics import Diagnostic, Label
from itc.ir.op import LAYERS
from itc_dsl import ast
from itc_dsl.checker.habits import batch_axis, import_of
from itc_dsl.checker.structure import assigned_names, target_names
from itc_dsl.program import Unit
from itc_dsl.signature import BUILTINS, NAME_KEYWORD, Signature, bind, of_block, of_builtin, of_operation, suggest

ITERATION = "iteration"
#: Words suggested for a misspelt name, such as `true` for `True`.
CONSTANTS = ("true", "false", "none")
#: Maximum number of unknown names with a suggestion.
MAX_SUGGESTIONS = 100
#: Bodies in which `iteration` is defined; a plain block receives it as an argument.
COUNTING = ("iterative", "output")


class NameChecker:
    """Walks one definition in text order with the names assigned so far."""

    def __init__(self, unit: Unit, definition: ast.Definition, faults: list[Diagnostic]) -> None:
        self.unit = unit
        self.definition = definition
        self.faults = faults
        self.known: set[str] = set()
        self.later: set[str] = set()
        self.counts = isinstance(definition, ast.Block) and definition.kind in COUNTING
        self.emitting = False

    def run(self, annotated: Iterable[ast.Expr]) -> None:
        """Checks the definition; `annotated` are the expressions in its annotations."""
        definition = self.definition
        if isinstance(definition, ast.Variant):
            for override in definition.overrides:
                if len(override.path) == 1 and not isinstance(override.value, ast.Name):
                    self.expression(override.value)
            return
        for param in definition.params:
            if param.default:
                self.expression(param.default)
            self.known.add(param.name.text)
        for expr in annotated:
            self.expression(expr)
        self.later = set(assigned_names(definition.body))
        self.suite(definition.body)

    # Statements

    def suite(self, suite: ast.Suite) -> None:
        for statement in suite:
            self.statement(statement)

    def statement(self, statement: ast.Statement) -> None:
        match statement:
            case ast.Assign(target=target, value=value):
                self.expression(value)
                self.assign(target)
            case ast.Return(value=value) | ast.Yield(value=value) | ast.Halt(value=value) | ast.Evaluate(value=value):
                self.expression(value)
            case ast.If(condition=condition, body=body, otherwise=otherwise):
                self.expression(condition)
                self.suite(body)
                self.suite(otherwise)
            case ast.For(targets=targets, source=source, body=body):
                self.expression(source)
                self.assign(targets)
                self.suite(body)
            case ast.Input(name=name, shape=shape):
                for size in shape:
                    self.size(statement, size)
                self.assign(name)
            case ast.Emit():
                self.emit(statement)

    def assign(self, target: ast.Target) -> None:
        for name in target_names(target):
            if name == ITERATION:
                message = "`iteration` cannot be assigned"
                self.faults.append(Diagnostic("E0202", message, Label(target.span, "assigned here")))
            self.known.add(name)

    def emit(self, emit: ast.Emit) -> None:
        self.emitting = True
        self.expression(emit.value)
        self.emitting = False
        if emit.at:
            self.exits(emit.at)
        for annotation in emit.annotations:
            if annotation.name.text == "loss":
                self.loss(annotation)

    def exits(self, at: ast.Expr) -> None:
        """`all`, `last` and `every(n)` are words here, unless a variable is called so."""
        match at:
            case ast.Name(text=("all" | "last") as word) if word not in self.known:
                return
            case ast.Call(callee=ast.Ident(text="every"), arguments=arguments) if "every" not in self.known:
                for argument in arguments:
                    self.expression(argument.value)
            case _:
                self.expression(at)

    def loss(self, annotation: ast.Annotation) -> None:
        """The kind is a word; a weight may use `iteration`."""
        self.counts = True
        for argument in annotation.arguments:
            if argument.name and argument.name.text == "weight":
                self.expression(argument.value)
        self.counts = False

    # Expressions

    def expression(self, expr: ast.Expr) -> None:
        match expr:
            case ast.Name():
                self.name(expr)
            case ast.Call():
                self.call(expr, piped=False)
            case ast.Pipe(first=first, stages=stages):
                self.expression(first)
                for stage in stages:
                    self.call(stage, piped=True)
            case ast.Comprehension():
                self.comprehension(expr)
            case _:
                for child in ast.children(expr):
                    if isinstance(child, ast.Expr):
                        self.expression(child)

    def comprehension(self, expr: ast.Comprehension) -> None:
        outside = set(self.known)
        for clause in expr.clauses:
            self.expression(clause.source)
            self.assign(clause.targets)
            for condition in clause.conditions:
                self.expression(condition)
        self.expression(expr.element)
        self.known = outside

    def name(self, name: ast.Name | ast.Ident) -> None:
        text = name.text
        if text == ITERATION:
            self.iteration(name)
        elif text in self.known or text in self.unit.names or text in LAYERS or text in BUILTINS:
            return
        elif text in self.later:
            message = f"`{text}` is used before it is assigned"
            self.faults.append(Diagnostic("E0203", message, Label(name.span, "not assigned yet")))
        else:
            self.unknown(name, chain(self.known, self.unit.names, CONSTANTS))

    def unknown(self, name: ast.Name | ast.Ident, known: Iterable[str]) -> None:
        if name.text in self.unit.imported:
            return
        help, edit = import_of(self.unit.module, name.text)
        if not help and len(self.faults) < MAX_SUGGESTIONS:
            help, edit = suggest(name, {*known})
        message = f"undefined name `{name.text}`"
        self.faults.append(Diagnostic("E0201", message, Label(name.span, "unknown"), help=help, edit=edit))

    def size(self, statement: ast.Input, size: ast.Expr) -> None:
        """An axis of an input; an unknown name may be a batch size."""
        before = len(self.faults)
        self.expression(size)
        help, edit = batch_axis(statement, size) if isinstance(size, ast.Name) else ("", None)
        if help and len(self.faults) == before + 1:
            self.faults[-1] = replace(self.faults[-1], help=help, edit=edit)

    def iteration(self, name: ast.Name | ast.Ident) -> None:
        if not self.counts:
            help = "it is defined in `iterative` and `output` blocks; pass it as an argument: `f(x, iteration)`"
            label = Label(name.span, "no loop here")
            self.faults.append(Diagnostic("E0411", "`iteration` is not defined here", label, help=help))

    # Calls

    def call(self, call: ast.Call, piped: bool) -> None:
        callee = call.callee
        signature = None
        if callee.text not in self.known:
            signature = self.signature(callee)
        if signature is None:
            self.arguments(call, {})
            return
        bound, faults = bind(signature, call, piped, helps=len(self.faults) < MAX_SUGGESTIONS)
        self.faults.extend(faults)
        listing = {p.name: p.accepts.words for p in signature.parameters if p.accepts.words}
        words = {id(expr): listing[name] for name, given in bound.items() if name in listing for expr in given}
        self.arguments(call, words)

    def arguments(self, call: ast.Call, words: dict[int, tuple[str, ...]]) -> None:
        """Checks the arguments; `words` are the bare words allowed for some of them."""
        for argument in call.arguments:
            if argument.name and argument.name.text == NAME_KEYWORD:
                continue
            if isinstance(argument.value, ast.Name) and id(argument.value) in words:
                self.word(argument.value, words[id(argument.value)])
            else:
                self.expression(argument.value)

    def word(self, name: ast.Name, words: tuple[str, ...]) -> None:
        if name.text in words or name.text in self.known or name.text in self.unit.names:
            return
        help, edit = suggest(name, words)
        message = f"`{name.text}` is not one of {', '.join(words)}"
        help = help or f"write one of {', '.join(words)}"
        self.faults.append(Diagnostic("E0304", message, Label(name.span, "not one of them"), help=help, edit=edit))

    def signature(self, callee: ast.Ident) -> Signature | None:
        """The callee of a name, if it is known without evaluation."""
        defined = self.unit.names.get(callee.text)
        if defined is not None:
            if isinstance(defined.definition, ast.Block):
                self.callable_here(callee, defined.definition)
                return of_block(defined.definition)
            message = f"`{callee.text}` is a network, which cannot be called"
            self.faults.append(Diagnostic("E0213", message, Label(callee.span, "called here")))
            return None
        if callee.text in BUILTINS:
            return of_builtin(callee.text)
        if callee.text in LAYERS:
            return of_operation(callee.text)
        self.uncallable(callee)
        return None

    def uncallable(self, callee: ast.Ident) -> None:
        if callee.text in self.later:
            message = f"`{callee.text}` is used before it is assigned"
            self.faults.append(Diagnostic("E0203", message, Label(callee.span, "not assigned yet")))
        else:
            blocks = (name for name, d in self.unit.names.items() if isinstance(d.definition, ast.Block))
            self.unknown(callee, chain(blocks, LAYERS, BUILTINS))

    def callable_here(self, callee: ast.Ident, block: ast.Block) -> None:
        if block.kind == "output" and not self.emitting:
            self.faults.append(output_outside(callee, block))
        in_loop = isinstance(self.definition, ast.Block) and self.definition.kind == "iterative"
        if block.kind == "data" and in_loop:
            self.faults.append(data_in_loop(callee, block))


def output_outside(callee: ast.Ident, block: ast.Block) -> Diagnostic:
    return Diagnostic(
        "E0406",
        f"the output block `{block.name.text}` is called outside `emit`",
        Label(callee.span, "not in an `emit`"),
        (Label(block.span, "an output block"),),
        f"write `emit {block.name.text}(...)` in the network, or make it a `block`",
    )


def data_in_loop(callee: ast.Ident, block: ast.Block) -> Diagnostic:
    return Diagnostic(
        "E0414",
        f"the data block `{block.name.text}` is called inside a loop",
        Label(callee.span, "runs in every iteration"),
        (Label(block.span, "a data block runs once"),),
        "call it before the loop, or make it a `block`",
    )
