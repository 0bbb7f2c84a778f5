"""Converts Lark's parse tree to the syntax tree of `itc_dsl.ast`, with one method per grammar rule."""

# ruff: noqa: ARG002  all rules have the same signature
from __future__ import annotations

from itertools import takewhile
from typing import Any, TypeVar

from lark import Token, Tree
from lark.tree import Meta

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.source import Source, Span
from itc_dsl import ast

Children = list[Any]
N = TypeVar("N", bound=ast.Node)

MAX_DIGITS = 18
CONSTANTS = {"TRUE": True, "FALSE": False, "NONE": None}


class TreeReader:
    """Converts a parse tree without recursion; errors are collected in `faults`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[Diagnostic] = []

    def transform(self, tree: Tree[Token]) -> Any:
        """The syntax tree, bottom-up: each method handles the rule of its name.

        Lark's own transformers wrap each call, which costs more than the calls.
        """
        order: list[Tree[Token] | Token] = []
        left: list[Tree[Token] | Token] = [tree]
        while left:
            order.append(node := left.pop())
            left += node.children if isinstance(node, Tree) else ()
        done: Children = []
        for node in reversed(order):
            if isinstance(node, Tree):
                first = len(done) - len(node.children)
                done[first:] = [getattr(self, node.data)(node.meta, done[first:])]
            else:
                done.append(node)
        return done[0]

    def fault(self, error: CompileError) -> None:
        self.faults.extend(error.diagnostics)

    def at(self, meta: Meta) -> Span:
        return self.source.span(meta.start_pos, min(meta.end_pos, len(self.source.text)))

    def token_span(self, token: Token) -> Span:
        return self.source.span(token.start_pos or 0, token.end_pos or 0)

    def ident(self, token: Token) -> ast.Ident:
        return ast.Ident(self.token_span(token), str(token))

    # Files and definitions

    def start(self, meta: Meta, parts: Children) -> ast.Module:
        versions = [part for part in parts if isinstance(part, int)]
        return ast.Module(
            self.source.span(0, len(self.source.text)),
            versions[0] if versions else 1,
            tuple(_only(parts, ast.Import)),
            tuple(part for part in parts if isinstance(part, ast.Definition)),
        )

    def version(self, meta: Meta, parts: Children) -> int:
        (number,) = parts
        if number != "1":
            span = self.token_span(number)
            self.faults.append(
                Diagnostic(
                    "E0109",
                    f"this version of itc supports version 1 of the language, not {number:.20}",
                    Label(span, "not known"),
                    help="write `itn 1`, or use a newer itc",
                    edit=Edit(span, "1"),
                )
            )
        return 1

    def import_(self, meta: Meta, parts: Children) -> ast.Import:
        module, *names = map(self.ident, parts)
        return ast.Import(module.span.to(names[-1].span), module, tuple(names))

    def block(self, meta: Meta, parts: Children) -> ast.Block:
        annotations, (kind, name, *rest) = _annotated(parts)
        params, body = rest if len(rest) > 1 else ((), *rest)
        span = self.token_span(kind).to(self.token_span(name))
        return ast.Block(span, kind.value, self.ident(name), params, body, annotations)

    def network(self, meta: Meta, parts: Children) -> ast.Network:
        annotations, (word, name, *rest) = _annotated(parts)
        params, body = rest if len(rest) > 1 else ((), *rest)
        span = self.token_span(word).to(self.token_span(name))
        return ast.Network(span, self.ident(name), params, body, annotations)

    def variant(self, meta: Meta, parts: Children) -> ast.Variant:
        annotations, (word, name, base, *overrides) = _annotated(parts)
        span = self.token_span(word).to(self.token_span(base))
        return ast.Variant(span, self.ident(name), self.ident(base), tuple(overrides), annotations)

    def override(self, meta: Meta, parts: Children) -> ast.Override:
        *path, value = parts
        return ast.Override(self.at(meta), tuple(map(self.ident, path)), value)

    setting = override

    def params(self, meta: Meta, parts: Children) -> tuple[ast.Param, ...]:
        return tuple(parts)

    def param(self, meta: Meta, parts: Children) -> ast.Param:
        tokens = [part for part in parts if isinstance(part, Token)]
        role: Any = tokens[0].value if len(tokens) > 1 else ""
        default = None if isinstance(parts[-1], Token) else parts[-1]
        return ast.Param(self.at(meta), role, self.ident(tokens[-1]), default)

    def annotation(self, meta: Meta, parts: Children) -> ast.Annotation:
        name, *arguments = parts
        span = self.token_span(name)
        return ast.Annotation(
            self.source.span(meta.start_pos, arguments[-1].span.end if arguments else span.end),
            self.ident(name),
            tuple(arguments),
        )

    # Statements

    def suite(self, meta: Meta, parts: Children) -> ast.Suite:
        return tuple(parts)

    def assign(self, meta: Meta, parts: Children) -> ast.Assign | ast.Evaluate:
        *left, value = parts
        if not left:
            return ast.Evaluate(value.span, value)
        return ast.Assign(self.at(meta), self.target(left[0]), value)

    def target(self, written: ast.Expr) -> ast.Target:
        """Converts the left side of `=`, parsed as an expression, to targets."""
        match written:
            case ast.Name(text=text):
                return ast.Ident(written.span, text)
            case ast.List(items=items):
                return ast.Targets(written.span, tuple(map(self.target, items)))
        self.fault(fail("E0111", "only names can be assigned", written.span, "not a name"))
        return ast.Targets(written.span, ())

    def exprs(self, meta: Meta, parts: Children) -> ast.Expr:
        return parts[0] if len(parts) == 1 else ast.List(self.at(meta), tuple(parts))

    def return_(self, meta: Meta, parts: Children) -> ast.Return:
        return ast.Return(self.at(meta), parts[0])

    def yield_(self, meta: Meta, parts: Children) -> ast.Yield:
        return ast.Yield(self.at(meta), parts[0])

    def halt(self, meta: Meta, parts: Children) -> ast.Halt:
        return ast.Halt(self.at(meta), parts[1])

    def input(self, meta: Meta, parts: Children) -> ast.Input:
        name, dtype, *shape = parts
        equals = len(list(takewhile(lambda part: not isinstance(part, Token), shape)))
        default = shape[-1] if equals < len(shape) else None
        return ast.Input(self.at(meta), self.ident(name), self.ident(dtype), tuple(shape[:equals]), default)

    def emit(self, meta: Meta, parts: Children) -> ast.Emit:
        annotations, (word, *rest) = _annotated(parts)
        named = isinstance(rest[0], Token)
        name = self.ident(rest[0]) if named else None
        value, *at = rest[2:] if named else rest
        span = self.token_span(word).to((at[0] if at else value).span)
        return ast.Emit(span, annotations, name, value, at[0] if at else None)

    def if_(self, meta: Meta, parts: Children) -> ast.If:
        condition, body, *rest = parts
        otherwise: ast.Suite = rest.pop() if rest and isinstance(rest[-1], tuple) else ()
        for part in reversed(rest):
            otherwise = (ast.If(part.span, part.condition, part.body, otherwise),)
        return ast.If(self.statement_span(meta, (otherwise or body)[-1]), condition, body, otherwise)

    def elif_(self, meta: Meta, parts: Children) -> ast.If:
        condition, body = parts
        return ast.If(self.statement_span(meta, body[-1]), condition, body, ())

    def for_(self, meta: Meta, parts: Children) -> ast.For:
        targets, _, source, body = parts
        return ast.For(self.statement_span(meta, body[-1]), targets, source, body)

    def statement_span(self, meta: Meta, last: ast.Node) -> Span:
        """From the start of a statement to the end of its last nested statement."""
        return self.source.span(meta.start_pos, last.span.end)

    def targets(self, meta: Meta, parts: Children) -> ast.Target:
        targets = [self.ident(part) if isinstance(part, Token) else part for part in parts]
        return targets[0] if len(targets) == 1 else ast.Targets(self.at(meta), tuple(targets))

    # Expressions

    def pipe(self, meta: Meta, parts: Children) -> ast.Pipe:
        first, *stages = parts
        return ast.Pipe(self.at(meta), first, tuple(stages))

    def call(self, meta: Meta, parts: Children) -> ast.Call:
        callee, *arguments = parts
        return ast.Call(self.at(meta), self.ident(callee), tuple(arguments))

    stage = call

    def positional(self, meta: Meta, parts: Children) -> ast.Argument:
        return ast.Argument(self.at(meta), None, parts[0])

    def keyword(self, meta: Meta, parts: Children) -> ast.Argument:
        name, value = parts
        return ast.Argument(self.at(meta), self.ident(name), value)

    def choice(self, meta: Meta, parts: Children) -> ast.Ternary:
        return ast.Ternary(self.at(meta), *parts)

    def binary(self, meta: Meta, parts: Children) -> ast.Binary:
        left, operator, right = parts
        return ast.Binary(self.at(meta), self.ident(operator), left, right)

    def negation(self, meta: Meta, parts: Children) -> ast.Unary:
        return ast.Unary(self.at(meta), "not", parts[1])

    def minus(self, meta: Meta, parts: Children) -> ast.Unary:
        return ast.Unary(self.at(meta), "-", parts[1])

    def comparisons(self, meta: Meta, parts: Children) -> ast.Compare:
        return ast.Compare(self.at(meta), tuple(parts[1::2]), tuple(parts[::2]))

    def compare(self, meta: Meta, parts: Children) -> ast.Ident:
        return ast.Ident(self.at(meta), " ".join(parts))

    def index(self, meta: Meta, parts: Children) -> ast.Index:
        return ast.Index(self.at(meta), *parts)

    def slice_(self, meta: Meta, parts: Children) -> ast.Slice:
        base, *bounds = parts
        colon = next(i for i, part in enumerate(bounds) if isinstance(part, Token))
        start, stop = bounds[:colon], bounds[colon + 1 :]
        return ast.Slice(self.at(meta), base, start[0] if start else None, stop[0] if stop else None)

    def list_(self, meta: Meta, parts: Children) -> ast.List:
        return ast.List(self.at(meta), tuple(parts))

    tuple_ = literals = list_

    def comprehension(self, meta: Meta, parts: Children) -> ast.Comprehension:
        element, *clauses = parts
        return ast.Comprehension(self.at(meta), element, (*clauses,))

    generator = comprehension

    def clause(self, meta: Meta, parts: Children) -> ast.Clause:
        targets, _, source, *conditions = parts
        return ast.Clause(self.at(meta), targets, source, (*conditions,))

    def name(self, meta: Meta, parts: Children) -> ast.Name:
        return ast.Name(self.at(meta), str(parts[0]))

    def text(self, meta: Meta, parts: Children) -> ast.Text:
        return ast.Text(self.at(meta), parts[0][1:-1])

    def constant(self, meta: Meta, parts: Children) -> ast.Constant:
        return ast.Constant(self.at(meta), CONSTANTS[parts[0].type])

    def number(self, meta: Meta, parts: Children) -> ast.Number:
        (token,) = parts
        return ast.Number(self.at(meta), self.number_value(token))

    def number_value(self, token: Token) -> int | float:
        if token.type == "INT" and len(token) <= MAX_DIGITS:
            return int(token)
        value = float(token) if token.type == "FLOAT" else float("inf")
        if value == float("inf"):
            message = f"a number has at most {MAX_DIGITS} digits, and a float is below 1e308"
            self.fault(fail("E0101", message, self.token_span(token), "too large"))
            return 1
        return value

    # Settings

    def minus_number(self, meta: Meta, parts: Children) -> ast.Unary:
        return ast.Unary(self.at(meta), "-", parts[1])

    def word(self, meta: Meta, parts: Children) -> ast.Name | ast.Call:
        name, *values = parts
        if not values:
            return ast.Name(self.token_span(name), str(name))
        argument = ast.Argument(values[0].span, None, values[0])
        return ast.Call(self.at(meta), self.ident(name), (argument,))


def _only(parts: Children, kind: type[N]) -> list[N]:
    return [part for part in parts if isinstance(part, kind)]


def _annotated(parts: Children) -> tuple[tuple[ast.Annotation, ...], Children]:
    """The annotations of a definition or emit, and the rest."""
    annotations = tuple(takewhile(lambda part: isinstance(part, ast.Annotation), parts))
    return annotations, parts[len(annotations) :]
