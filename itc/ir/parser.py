"""Parses IR text into a net: the inverse of `itc.ir.printer`. Invalid text raises CompileError."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import chain
from math import isfinite, isnan
from types import UnionType
from typing import Any, get_args, get_type_hints

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from itc.diagnostics import CompileError, fail
from itc.extensions import OPERATIONS, load_extensions
from itc.ir import ops as _ops  # noqa: F401  fills the registry
from itc.ir.iterations import IterationSet
from itc.ir.net import (
    Apply,
    Body,
    Carry,
    Each,
    Emit,
    Halt,
    HaltKind,
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
)  # fmt: skip
from itc.ir.op import MAX_RANK, OPS, Op, Role, RuleError
from itc.ir.types import DTYPE_BYTES, SeriesType, TensorType, Type
from itc.source import Source, Span

Operations = Mapping[str, Callable[[dict[str, Any]], Op]]

MAX_DEPTH = 64
#: Characters of an IR text at most.
MAX_CHARACTERS = 1_000_000
MAX_ITERATIONS = 1_000_000
MAX_MEMBERS = 10 * MAX_ITERATIONS


@lru_cache(maxsize=1)
def _lark() -> Lark:
    return Lark.open("grammar.lark", rel_to=__file__, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def parse_net(text: str, name: str = "<ir>", operations: Operations | None = None) -> Net:
    """The net of an IR text. Raises CompileError (E0150 syntax, E0151 meaning, E0539 length).

    `operations` maps names of operations outside the registry, such as a backend's, to constructors from attributes,
    which raise RuleError for invalid attributes.
    """
    source = Source(name, text)
    if len(text) > MAX_CHARACTERS:
        message = f"an IR text has at most {MAX_CHARACTERS:,} characters, this one has {len(text):,}"
        raise fail("E0539", message, source.span(0, 0), "here", help="save the spec instead, of which it is made")
    try:
        tree = _lark().parse(text)
    except UnexpectedInput as error:
        at = max(0, error.pos_in_stream or 0) if error.pos_in_stream is not None else len(text)
        raise fail("E0150", "syntax error in IR text", source.span(at, at + 1), "unexpected") from None
    return _Reader(source, operations or {}).net(_subtree(tree, "net"))


def _subtrees(tree: Tree[Token], name: str) -> list[Tree[Token]]:
    return [child for child in tree.children if isinstance(child, Tree) and child.data == name]


def _subtree(tree: Tree[Token], name: str) -> Tree[Token]:
    return _subtrees(tree, name)[0]


def _tokens(tree: Tree[Token], kind: str) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token) and child.type == kind]


class _Reader:
    """Converts the parse tree to statements; tracks the values and loops in scope."""

    def __init__(self, source: Source, operations: Operations) -> None:
        self.source = source
        self.operations = operations
        self.values: dict[str, Value] = {}
        self.loops: dict[str, IterationSet] = {}
        self.params: dict[str, Param] = {}
        self.depth = 0
        #: Total members of the iteration sets so far, without contiguous ones.
        self.members = 0

    def error(self, at: Tree[Token] | Token, message: str) -> CompileError:
        start, end = (at.meta.start_pos, at.meta.end_pos) if isinstance(at, Tree) else (at.start_pos, at.end_pos)
        return fail("E0151", message, self.source.span(start or 0, end or 0))

    def span(self, tree: Tree[Token]) -> Span:
        return self.source.span(tree.meta.start_pos, tree.meta.end_pos)

    def net(self, tree: Tree[Token]) -> Net:
        inputs = tuple(self.input(i) for i in _subtrees(tree, "input"))
        optional = (_tokens(i, "VALUE")[0][1:] for i in _subtrees(tree, "input") if _tokens(i, "WORD"))
        self.params = {p.key: p for p in (self.param(t) for t in _subtrees(tree, "param"))}
        body = self.statements(tree)
        outputs = tuple(self.output(t) for t in _subtrees(tree, "output"))
        name = _tokens(tree, "KEY")[0][1:]
        params = tuple(self.params.values())
        return Net(name, inputs, params, body, outputs, self.span(tree), frozenset(map(str, optional)))

    def input(self, tree: Tree[Token]) -> Value:
        value = self.define(_tokens(tree, "VALUE")[0], self.tensor(_subtree(tree, "tensor")))
        for word in _tokens(tree, "WORD"):
            if word != "zeros":
                raise self.error(word, "the default of an input is `zeros`")
        return value

    def define(self, token: Token, type: Type) -> Value:
        name = token[1:]
        if name in self.values or name in self.loops:
            raise self.error(token, f"`{token}` is defined twice")
        self.values[name] = value = Value(name, type)
        return value

    def value(self, token: Token) -> Value:
        if token[1:] not in self.values:
            raise self.error(token, f"`{token}` is not defined")
        return self.values[token[1:]]

    def integer(self, token: Token, least: int = 0, most: int = 2**40) -> int:
        if len(token) > 20 or not least <= int(token) <= most:
            raise self.error(token, f"{token:.20} is not a number from {least} to {most}")
        return int(token)

    def fraction(self, token: Token) -> float:
        if isnan(number := float(token)):
            raise self.error(token, "`nan` is not a number")
        return number

    def tensor(self, tree: Tree[Token]) -> TensorType:
        (dtype,) = _tokens(tree, "WORD")
        if dtype not in DTYPE_BYTES:
            raise self.error(dtype, f"`{dtype}` is not an element type; known: {', '.join(DTYPE_BYTES)}")
        sizes = _tokens(tree, "INT")
        if len(sizes) > MAX_RANK:
            raise self.error(tree, f"a tensor has at most {MAX_RANK} axes")
        return TensorType(str(dtype), tuple(self.integer(n, 1) for n in sizes))

    def type_of(self, tree: Tree[Token]) -> Type:
        element = self.tensor(_subtree(tree, "tensor"))
        counts = _tokens(tree, "INT")
        return SeriesType(self.integer(counts[0], 1), element) if counts else element

    def param(self, tree: Tree[Token]) -> Param:
        (key,) = _tokens(tree, "KEY")
        attributes = self.attributes(_subtree(tree, "attributes"))
        role, init = attributes.pop("role", None), attributes.pop("init", None)
        if role not in get_args(Role) or not isinstance(init, str) or attributes:
            raise self.error(tree, "a parameter has exactly the attributes `role` and `init`")
        sets = tuple(self.integer(n, 1) for n in _tokens(tree, "INT"))
        return Param(str(key[1:]), self.tensor(_subtree(tree, "tensor")), role, init, sets)

    def output(self, tree: Tree[Token]) -> Output:
        attributes = self.attributes(_subtree(tree, "attributes"))
        known = {"name": str, "at": IterationSet, "loss": str, "weight": tuple, "target": str}
        for name, value in attributes.items():
            if not isinstance(value, known.get(name, ())):
                raise self.error(tree, f"`{name}` is not an attribute of a return, or its value has the wrong type")
        if "name" not in attributes:
            raise self.error(tree, "a return needs a name")
        weights = attributes.get("weight", (1.0,))
        if not all(isinstance(weight, float) and isfinite(weight) for weight in weights):
            raise self.error(tree, "the weights of a loss are finite floating-point numbers")
        if "weight" in attributes and not attributes.get("loss"):
            raise self.error(tree, "a `weight` needs a `loss`")
        return Output(
            attributes["name"],
            self.value(_tokens(tree, "VALUE")[0]),
            attributes.get("at"),
            attributes.get("loss", ""),
            weights,
            attributes.get("target", ""),
        )

    def attributes(self, tree: Tree[Token]) -> dict[str, Any]:
        pairs = [(str(t.children[0]), self.attribute(t.children[1])) for t in _subtrees(tree, "attribute")]
        if len({name for name, _ in pairs}) < len(pairs):
            raise self.error(tree, "duplicate attribute")
        return dict(pairs)

    def attribute(self, tree: Any, depth: int = 1) -> Any:
        if depth > MAX_DEPTH:
            raise self.error(tree, f"nested deeper than {MAX_DEPTH}")
        match tree.data:
            case "integer":
                return self.integer(tree.children[0], -(2**40))
            case "float":
                return self.fraction(tree.children[0])
            case "word":
                return {"true": True, "false": False}.get(tree.children[0], str(tree.children[0]))
            case "string":
                return tree.children[0][1:-1].replace('\\"', '"').replace("\\\\", "\\")
            case "list":
                return tuple(self.attribute(child, depth + 1) for child in tree.children)
            case _:
                return self.set(tree)

    def set(self, tree: Tree[Token]) -> IterationSet:
        runs: list[range] = []
        for run in _subtrees(tree, "run"):
            first, *rest = (self.integer(n, 1, MAX_ITERATIONS) for n in _tokens(run, "INT"))
            runs.append(range(first, (rest[0] if rest else first) + 1, rest[1] if len(rest) > 1 else 1))
        if len(runs) == 1 and runs[0].step == 1:
            return IterationSet.joined(runs)
        self.members += sum(map(len, runs))
        if self.members > MAX_MEMBERS:
            raise self.error(tree, f"the sets have more than {MAX_MEMBERS} iterations in all")
        return IterationSet.of(chain.from_iterable(runs))

    def statements(self, tree: Tree[Token]) -> tuple[Statement, ...]:
        readers: dict[str, Callable[[Tree[Token]], Statement]] = {
            "apply": self.apply,
            "loop": self.loop,
            "when": self.when,
            "emit": self.emit,
        }
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(tree, f"nested deeper than {MAX_DEPTH}")
        read = tuple(
            readers[child.data](child) for child in tree.children if isinstance(child, Tree) and child.data in readers
        )
        self.depth -= 1
        return read

    def body(self, tree: Tree[Token], inside: Callable[[], None] = lambda: None) -> Body:
        """A body; its definitions are in scope for `inside`, and not after the body."""
        outside = set(self.values)
        statements = self.statements(tree)
        inside()
        yields = tuple(self.value(token) for token in _tokens(_subtree(tree, "yields"), "VALUE"))
        for name in set(self.values) - outside:
            del self.values[name]
        return Body(statements, yields)

    def results(self, tree: Tree[Token]) -> tuple[Value, ...]:
        names = [token for t in _subtrees(tree, "names") for token in _tokens(t, "VALUE")]
        types = [self.type_of(t) for ts in _subtrees(tree, "types") for t in _subtrees(ts, "type")]
        if len(names) != len(types):
            raise self.error(tree, f"{len(names)} results with {len(types)} types")
        return tuple(self.define(name, type) for name, type in zip(names, types, strict=True))

    def apply(self, tree: Tree[Token]) -> Apply:
        (word,) = _tokens(tree, "WORD")
        attributes = dict(pair for t in _subtrees(tree, "attributes") for pair in self.attributes(t).items())
        op = self.operation(tree, word, attributes)
        operands = tuple(
            self.operand(child)
            for child in tree.children
            if (isinstance(child, Token) and child.type == "VALUE") or (isinstance(child, Tree) and child.data == "ref")
        )
        return Apply(op, operands, self.results(tree), self.span(tree))

    def operation(self, tree: Tree[Token], word: Token, attributes: dict[str, Any]) -> Op:
        if word in self.operations:
            try:
                return self.operations[word](attributes)
            except RuleError as error:
                raise self.error(tree, error.message) from None
        if word not in OPS:
            load_extensions(OPERATIONS)
        if word not in OPS:
            raise self.error(word, f"there is no operation `{word}`")
        return self.op(tree, OPS[word], attributes)

    def op(self, tree: Tree[Token], cls: type[Op], attributes: dict[str, Any]) -> Op:
        hints = get_type_hints(cls)
        known = {f.name: hints[f.name] for f in fields(cls)}
        for name, value in attributes.items():
            if name not in known or not _fits(value, known[name]):
                raise self.error(tree, f"`{name}` is not an attribute of `{cls.name}`, or its value has the wrong type")
        return cls(**attributes)

    def operand(self, child: Token | Tree[Token]) -> Operand:
        if isinstance(child, Token):
            return self.value(child)
        (key,) = _tokens(child, "KEY")
        if key[1:] not in self.params:
            raise self.error(key, f"unknown parameter `{key}`")
        return ParamRef(str(key[1:]), tuple(self.index(t) for t in child.children if isinstance(t, Tree)))

    def index(self, tree: Tree[Token]) -> Index | int:
        numbers = _tokens(tree, "INT")
        if tree.data == "constant":
            return self.integer(numbers[0])
        (variable,) = _tokens(tree, "VALUE")
        loop = self.loop_of(variable)
        sets = _subtrees(tree, "set")
        offsets, everies = _tokens(tree, "OFFSET"), [_tokens(t, "INT")[0] for t in _subtrees(tree, "every")]
        every = self.integer(everies[0], 1) if everies else 1
        step = self.integer(numbers[0], 1, MAX_ITERATIONS) if numbers else 1
        offset = self.integer(offsets[0], -MAX_ITERATIONS, MAX_ITERATIONS) if offsets else 0
        return Index(str(variable[1:]), self.set(sets[0]) if sets else loop, every, step, offset)

    def loop_of(self, variable: Token) -> IterationSet:
        if variable[1:] not in self.loops:
            raise self.error(variable, f"`{variable}` is not the variable of an enclosing loop")
        return self.loops[variable[1:]]

    def binds(self, tree: Tree[Token], kind: str) -> list[tuple[Token, Value]]:
        pairs = [_tokens(b, "VALUE") for t in _subtrees(tree, kind) for b in _subtrees(t, "bind")]
        return [(inner, self.value(outer)) for inner, outer in pairs]

    def loop(self, tree: Tree[Token]) -> Loop:
        (variable,) = _tokens(tree, "VALUE")
        _, last = (self.integer(n, 1, MAX_ITERATIONS) for n in _tokens(tree, "INT"))
        walked, carried = self.binds(tree, "each"), self.binds(tree, "carry")
        if variable[1:] in self.loops or variable[1:] in self.values:
            raise self.error(variable, f"`{variable}` is defined twice")
        self.loops[variable[1:]] = IterationSet.span(1, last)
        each = tuple(Each(self.define(inner, self.element(inner, outer)), outer) for inner, outer in walked)
        carries = tuple(Carry(self.define(inner, init.type), init) for inner, init in carried)
        body, halt = self.halting_body(_subtree(tree, "loop_body"))
        for bind in (*(e.inner for e in each), *(c.inner for c in carries)):
            del self.values[bind.name]
        del self.loops[variable[1:]]
        return Loop(str(variable[1:]), last, carries, body, self.results(tree), each, halt, self.span(tree))

    def halting_body(self, tree: Tree[Token]) -> tuple[Body, Halt | None]:
        """The body of a loop and its halt, if any."""
        halts: list[Halt] = []
        body = self.body(tree, lambda: halts.extend(self.halt(t) for t in _subtrees(tree, "halt")))
        return body, halts[0] if halts else None

    def halt(self, tree: Tree[Token]) -> Halt:
        (kind,), (score,) = _tokens(tree, "WORD"), _tokens(tree, "VALUE")
        if kind not in get_args(HaltKind):
            raise self.error(kind, f"`{kind}` is not a stopping rule; known: {', '.join(get_args(HaltKind))}")
        attributes = self.attributes(_subtree(tree, "attributes"))
        limit, ponder = attributes.pop("limit", None), attributes.pop("ponder", None)
        if attributes or not isinstance(limit, float) or not isinstance(ponder, float):
            raise self.error(tree, "a halt has exactly the attributes `limit` and `ponder`")
        return Halt(str(kind), self.value(score), limit, ponder)  # type: ignore[arg-type]

    def element(self, token: Token, series: Value) -> TensorType:
        if not isinstance(series.type, SeriesType):
            raise self.error(token, f"`%{series.name}` is not a series")
        return series.type.element

    def when(self, tree: Tree[Token]) -> When:
        (variable,) = _tokens(tree, "VALUE")
        self.loop_of(variable)
        body, otherwise = (self.body(t) for t in _subtrees(tree, "body"))
        iterations = self.set(_subtree(tree, "set"))
        return When(str(variable[1:]), iterations, body, otherwise, self.results(tree), self.span(tree))

    def emit(self, tree: Tree[Token]) -> Emit:
        (variable,) = _tokens(tree, "VALUE")
        self.loop_of(variable)
        iterations = self.set(_subtree(tree, "set"))
        return Emit(str(variable[1:]), iterations, self.body(_subtree(tree, "body")), self.span(tree))


def _fits(value: Any, hint: Any) -> bool:
    """Whether the value of an attribute has the type that its field declares."""
    if hint is float:
        return isinstance(value, float)
    if hint in (int, bool, str):
        return type(value) is hint
    kinds: Sequence[Any] = get_args(hint)
    if isinstance(hint, UnionType):
        return any(_fits(value, kind) for kind in kinds)
    if kinds[1:] == (Ellipsis,):
        return isinstance(value, tuple) and all(_fits(number, kinds[0]) for number in value)
    return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
