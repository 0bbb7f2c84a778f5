"""The syntax tree: nodes with the spans of their text, before any name resolution.

Nodes are frozen and compare by identity, so that tables may be keyed by them; `itc_dsl.printer` gives the text form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal

from itc.records import dataclass
from itc.source import Source, Span

Kind = Literal["block", "data", "iterative", "output"]
Role = Literal["", "carry", "each"]


@dataclass(frozen=True, eq=False)
class Node:
    """A piece of a spec."""

    span: Span


@dataclass(frozen=True, eq=False)
class Ident(Node):
    """An identifier in a definition or call; the expression that reads a variable is `Name`."""

    text: str


# Expressions


@dataclass(frozen=True, eq=False)
class Number(Node):
    value: int | float


@dataclass(frozen=True, eq=False)
class Text(Node):
    value: str


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """`true`, `false` or `none`."""

    value: bool | None


@dataclass(frozen=True, eq=False)
class Name(Node):
    text: str


@dataclass(frozen=True, eq=False)
class List(Node):
    """`[a, b]` or `(a, b)`: the language has one kind of list."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class Clause(Node):
    """`for targets in source if condition ...` of a comprehension."""

    targets: Target
    source: Expr
    conditions: tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class Comprehension(Node):
    """`[element for ...]`, or without brackets as the argument of a call."""

    element: Expr
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, eq=False)
class Index(Node):
    base: Expr
    index: Expr


@dataclass(frozen=True, eq=False)
class Slice(Node):
    base: Expr
    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True, eq=False)
class Argument(Node):
    """`value` or `name = value`."""

    name: Ident | None
    value: Expr


@dataclass(frozen=True, eq=False)
class Call(Node):
    """A call, or a stage of a pipe, whose first argument is the piped value."""

    callee: Ident
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, eq=False)
class Pipe(Node):
    """`first |> stage |> stage`."""

    first: Expr
    stages: tuple[Call, ...]


@dataclass(frozen=True, eq=False)
class Unary(Node):
    """`-x` or `not x`."""

    operator: str
    operand: Expr


@dataclass(frozen=True, eq=False)
class Binary(Node):
    """Arithmetic, `and`, `or`."""

    operator: Ident
    left: Expr
    right: Expr


@dataclass(frozen=True, eq=False)
class Compare(Node):
    """`a < b <= c`: `operands` has one more entry than `operators`."""

    operators: tuple[Ident, ...]
    operands: tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class Ternary(Node):
    """`then if condition else otherwise`."""

    then: Expr
    condition: Expr
    otherwise: Expr


Expr = (
    Number | Text | Constant | Name | List | Comprehension | Index | Slice
    | Call | Pipe | Unary | Binary | Compare | Ternary
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Targets(Node):
    """`a, (b, c)`: the targets of unpacking a list."""

    items: tuple[Target, ...]


Target = Ident | Targets


# Statements


@dataclass(frozen=True, eq=False)
class Annotation(Node):
    """`@name(arguments)`."""

    name: Ident
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, eq=False)
class Assign(Node):
    target: Target
    value: Expr


@dataclass(frozen=True, eq=False)
class Evaluate(Node):
    """An expression as a statement, which the checker reports as an error."""

    value: Expr


@dataclass(frozen=True, eq=False)
class Return(Node):
    value: Expr


@dataclass(frozen=True, eq=False)
class If(Node):
    condition: Expr
    body: Suite
    otherwise: Suite


@dataclass(frozen=True, eq=False)
class For(Node):
    targets: Target
    source: Expr
    body: Suite


@dataclass(frozen=True, eq=False)
class Input(Node):
    """`input name: dtype[shape] = default`."""

    name: Ident
    dtype: Ident
    shape: tuple[Expr, ...]
    default: Expr | None


@dataclass(frozen=True, eq=False)
class Emit(Node):
    """`emit name = value at exits`, under its annotations."""

    annotations: tuple[Annotation, ...]
    name: Ident | None
    value: Expr
    at: Expr | None


@dataclass(frozen=True, eq=False)
class Yield(Node):
    value: Expr


@dataclass(frozen=True, eq=False)
class Halt(Node):
    value: Expr


Statement = Assign | Evaluate | Return | If | For | Input | Emit | Yield | Halt
Suite = tuple[Statement, ...]


# Definitions


@dataclass(frozen=True, eq=False)
class Param(Node):
    role: Role
    name: Ident
    default: Expr | None


@dataclass(frozen=True, eq=False)
class Block(Node):
    """A `block`, `data`, `iterative` or `output` block."""

    kind: Kind
    name: Ident
    params: tuple[Param, ...]
    body: Suite
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True, eq=False)
class Network(Node):
    name: Ident
    params: tuple[Param, ...]
    body: Suite
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True, eq=False)
class Override(Node):
    """`name = value`, or `block.annotation = value`."""

    path: tuple[Ident, ...]
    value: Expr


@dataclass(frozen=True, eq=False)
class Variant(Node):
    """`network name = base(overrides)`."""

    name: Ident
    base: Ident
    overrides: tuple[Override, ...]
    annotations: tuple[Annotation, ...]


Definition = Block | Network | Variant


@dataclass(frozen=True, eq=False)
class Import(Node):
    """`from module import names`."""

    module: Ident
    names: tuple[Ident, ...]


@dataclass(frozen=True, eq=False)
class Module(Node):
    """A file."""

    version: int
    imports: tuple[Import, ...]
    definitions: tuple[Definition, ...]

    @property
    def source(self) -> Source:
        return self.span.source


#: The fields of each kind of node in which others may be.
_PARTS: dict[type[Node], tuple[str, ...]] = {}


def children(node: Node) -> list[Node]:
    """The nodes directly below one, in the order of their fields."""
    found: list[Node] = []
    kind = type(node)
    if kind not in _PARTS:
        _PARTS[kind] = tuple(field.name for field in fields(kind) if field.name != "span")
    for name in _PARTS[kind]:
        value: Any = getattr(node, name)
        if isinstance(value, Node):
            found.append(value)
        elif type(value) is tuple:
            found += [item for item in value if isinstance(item, Node)]
    return found


def walk(*roots: Node) -> Iterator[Node]:
    """All nodes of the trees in pre-order, without recursion."""
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))
